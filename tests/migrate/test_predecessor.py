"""What an existing installation kept for people who are let in is here afterwards, as our own code reads it, and only that."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.process import Cli
from fakes.town import Town
from migrate.installation import (
    ANNA,
    BEN,
    CARL,
    EXPECTED,
    QUOTED,
    SCORES,
    SHOWN,
    STYLE,
    WRITTEN,
    compact,
    fate,
    install,
    usage,
    waiting,
)
from migrate.world import both, data, everything, phone, talk, turn
from redis import Redis

from secondme.core.admit.control_store import EverybodyPaused
from secondme.core.config.files import backups
from secondme.core.ids import ContactId
from secondme.core.records import Mail
from secondme.core.store import keys

WEEK_S = 604_800


def now_of(client: Redis) -> int:
    seconds, micros = client.time()
    return int(seconds) * 1000 + int(micros) // 1000


def approve(raw: Redis, *contacts: str) -> None:
    """Each of `contacts` is let in on our side."""
    for contact in contacts:
        record = {"contactId": contact, "phoneNumber": "1", "approvedAt": 1, "approvedBy": "test", "tier": "standard"}
        raw.set(f"PAIRING:approved:{contact}", json.dumps(record))
        raw.zadd("PAIRING:index:approved", {contact: 1})


@pytest.fixture
def config_file() -> Path:
    """Where the settings of this test's home are."""
    return Path(os.environ["SECONDME_HOME"]) / "config.toml"


@pytest.fixture
def move(cli: Cli, raw: Redis, old: Redis, other_url: str) -> Callable[..., dict[str, Any]]:
    """Bring the other Redis over, Anna and Ben being let in; the dry run says the same."""
    del old
    approve(raw, ANNA, BEN)

    def run() -> dict[str, Any]:
        return both(cli, "predecessor", "--from", other_url)[0]

    return run


Move = Callable[..., dict[str, Any]]


def test_every_key_of_an_installation_has_its_verdict(move: Move, old: Redis) -> None:
    now = now_of(old)
    install(old, now)
    before = everything(old)
    report = move()
    assert report["kinds"] == EXPECTED
    assert report["sleep"] == ["[sleep]", "enabled = true", 'start = "23:30"', 'end = "07:00"', 'timezone = "Etc/GMT-1"']
    times = {
        "createdAt": "2026-09-21T14:13:20Z",
        "lastVerifiedAt": "2026-09-21T14:14:20Z",
        "estimatedExpiryAt": "2026-10-05T14:13:20Z",
    }
    assert report["session"] == {**times, "state": "CONNECTED", "needsRefresh": False}
    assert any("AutoMem" in note for note in report["notes"])
    assert any("migrate pairing" in note for note in report["notes"])
    assert everything(old) == before


async def test_our_own_code_reads_what_came_over(move: Move, old: Redis, raw: Redis, town_with: Callable[..., Town]) -> None:
    now = now_of(old)
    install(old, now)
    approve(raw, ANNA, BEN)  # building a town has emptied the store
    await asyncio.to_thread(move)  # a command runs a loop of its own
    town = town_with()
    hour = 3_600_000
    turns = await town.conversation.recent(ContactId(ANNA), 100)
    assert [(each.id, each.role, each.content, each.type) for each in turns] == [
        ("a1", "user", "hé 👋", "incoming"),
        ("a2", "assistant", "hello", "outgoing"),
        (QUOTED, "user", 'say "x"', "incoming"),
        ("a3", "assistant", "me", "fromMe"),
        ("late", "user", "are you up?", "incoming"),
    ]
    scores = [score for _, score in raw.zrange(f"HISTORY:{ANNA}", 0, -1, withscores=True)]
    assert scores == [now - 5 * hour, now - 5 * hour + 1, now - 4 * hour, now - 2 * hour, now - hour]
    seen = dict(raw.zrange(f"SEEN:{ANNA}", 0, -1, withscores=True))
    assert set(seen) == {"a1", "a2", QUOTED, "a3", "late"}
    assert [name for name, at in seen.items() if at > 0] == ["late"], "only what waits for its answer counts as sent to us"
    assert 3 * 86_400 - 60 < raw.ttl(f"HISTORY:{ANNA}") <= 3 * 86_400
    assert not raw.exists(f"HISTORY:{ANNA}:ids")
    assert WEEK_S - 60 < raw.ttl(f"HISTORY:{BEN}") <= WEEK_S
    everybody = await town.control.everybody()
    assert everybody == EverybodyPaused(now - hour, None, killed=True)
    anna, ben = [await town.control.contact_pause(ContactId(each)) for each in (ANNA, BEN)]
    assert anna is not None
    assert ben is not None
    assert (anna.reason, anna.until, ben.reason) == ("rate_limit", None, "legacy")
    assert ben.until is not None
    assert 1700 < raw.ttl(f"PAUSE:{BEN}") <= 1800
    assert raw.zrange(keys.PAUSED_INDEX, 0, -1) == [BEN, ANNA, "ALL"]
    mail = Mail.decode(str(raw.lindex(f"INBOX:{ANNA}", 0)), "inbox")
    assert (mail.message_id, mail.content, mail.contact_name, mail.channel_id) == ("late", "are you up?", "Anna Ö[31m", "whatsapp")
    assert (raw.llen(f"INBOX:{ANNA}"), raw.smembers("QUEUE:active"), raw.xlen("QUEUE:messages")) == (1, {ANNA}, 1)
    (token,) = await town.tokens()
    assert (token.contact_id, await town.inbox.begin(token, "w")) == (ANNA, "paused")


def test_values_keep_their_form_and_their_lifetime(move: Move, old: Redis, raw: Redis) -> None:
    install(old, now_of(old))
    move()
    assert json.loads(str(raw.get(f"STYLE:data:{ANNA}"))) == STYLE
    assert 603_000 < raw.ttl(f"STYLE:data:{ANNA}") <= 604_000
    assert raw.hgetall(f"RELATIONSHIP:scores:{ANNA}") == SCORES
    assert 79 * 86_400 < raw.ttl(f"RELATIONSHIP:scores:{ANNA}") <= 80 * 86_400
    assert raw.get(f"RELATIONSHIP:manual_override:{ANNA}") == "1"
    assert raw.hgetall("STATS:tokens:2026-11-22") == WRITTEN | SHOWN
    assert raw.hgetall("STATS:tokens:2026-11-21") == WRITTEN
    assert 29 * 86_400 < raw.ttl("STATS:tokens:2026-11-22") <= 30 * 86_400
    assert 0 < raw.ttl("STATS:tokens:2026-11-21") <= 86_400
    people = json.loads(str(raw.get("CONTACTS:list")))
    assert people == [
        {"id": ANNA, "name": "Anna Ö[31m", "phoneNumber": "4915111111111"},
        {"id": BEN, "name": "Ben", "phoneNumber": ""},
    ]
    assert raw.get("CONTACTS:lastUpdated") == old.get("CONTACTS:lastUpdated")
    assert [json.loads(each)["contactId"] for each in raw.zrange("LOGS:token_usage", 0, -1)] == [ANNA]


def test_nothing_of_who_is_not_let_in_is_stored(move: Move, old: Redis, raw: Redis) -> None:
    install(old, now_of(old))
    move()
    stored = {name: value for name, (value, _) in everything(raw).items()}
    assert [name for name, value in stored.items() if CARL in name or CARL in value or "@g.us" in name + value] == []


def test_a_second_run_changes_nothing(move: Move, old: Redis, raw: Redis) -> None:
    install(old, now_of(old))
    move()
    before = everything(raw)
    kinds = move()["kinds"]
    assert everything(raw) == before
    moved = {kind: found["taken"] for kind, found in EXPECTED.items()}
    assert {kind: found["taken"] for kind, found in kinds.items()} == dict.fromkeys(moved, 0)
    assert {kind: found["already"] for kind, found in kinds.items()} == moved


def test_what_we_have_is_never_overwritten(move: Move, old: Redis, raw: Redis) -> None:
    now = now_of(old)
    install(old, now)
    for key in (f"PAUSE:{ANNA}", "PAUSE:ALL", f"STYLE:data:{ANNA}", "CONTACTS:list", "STATS:tokens:2026-11-21"):
        raw.set(key, "ours")
    raw.rpush(f"RELATIONSHIP:scores:{ANNA}", "ours")
    raw.zadd(f"HISTORY:{ANNA}", {turn("a2", now, "outgoing", "ours"): now, "garbage": now + 1})
    raw.rpush(f"HISTORY:{BEN}", "ours")
    raw.set("LOGS:token_usage", "ours")
    ours = {name: value for name, (value, _) in everything(raw).items() if "ours" in value and name != f"HISTORY:{ANNA}"}
    assert len(ours) == 8
    kinds = move()["kinds"]
    after = everything(raw)
    assert {name: after[name][0] for name in ours} == ours
    assert [kinds[kind]["already"] for kind in ("pauses", "everybody_paused", "styles", "contacts", "relationships")] == [
        1,
        1,
        1,
        2,
        1,
    ]
    assert kinds["histories"]["refused"]["wrong_type"] == 1
    assert kinds["token_usage"]["refused"]["wrong_type"] == 1
    assert raw.get(keys.KILLED) is None
    contents = [each for each in raw.zrange(f"HISTORY:{ANNA}", 0, -1) if '"a2"' in each or each == "garbage"]
    assert contents == [turn("a2", now, "outgoing", "ours"), "garbage"]
    assert kinds["turns"]["already"] == 1


def test_a_history_of_both_keeps_the_hundred_newest(move: Move, old: Redis, raw: Redis) -> None:
    for number in range(100):
        old.zadd(f"HISTORY:{ANNA}", {turn(f"o{number}", 1000 + number): 1000 + number})
    for number in range(40):
        raw.zadd(f"HISTORY:{ANNA}", {turn(f"n{number}", 1070 + number): 1070 + number})
    turns = move()["kinds"]["turns"]
    assert turns == fate(60, skipped={"not_among_the_newest": 40})
    names = [json.loads(each)["id"] for each in raw.zrange(f"HISTORY:{ANNA}", 0, -1)]
    assert set(names) == {f"o{number}" for number in range(40, 100)} | {f"n{number}" for number in range(40)}
    assert set(names) <= set(raw.zrange(f"SEEN:{ANNA}", 0, -1))
    before = everything(raw)
    assert move()["kinds"]["turns"] == fate(0, 60, skipped={"not_among_the_newest": 40})
    assert everything(raw) == before


def test_of_a_longer_history_the_hundred_newest_come(move: Move, old: Redis, raw: Redis) -> None:
    for number in range(150):
        old.zadd(f"HISTORY:{ANNA}", {turn(f"o{number}", 1000 + number): 1000 + number})
    assert move()["kinds"]["turns"]["taken"] == 100
    assert json.loads(raw.zrange(f"HISTORY:{ANNA}", 0, 0)[0])["id"] == "o50"
    assert raw.zcard(f"HISTORY:{ANNA}") == 100


def test_the_newest_ten_thousand_entries_of_the_token_log_come(move: Move, old: Redis, raw: Redis) -> None:
    pipe = old.pipeline()
    for number in range(10_250):
        pipe.zadd("LOGS:token_usage", {usage(ANNA, 1000 + number, number): 1000 + number})
    pipe.execute()
    assert move()["kinds"]["token_usage"] == fate(10_000, skipped={"not_among_the_newest": 250})
    assert (raw.zcard("LOGS:token_usage"), raw.zrange("LOGS:token_usage", 0, 0, withscores=True)[0][1]) == (10_000, 1250)
    before = everything(raw)
    assert move()["kinds"]["token_usage"] == fate(0, 10_000, skipped={"not_among_the_newest": 250})
    assert everything(raw) == before
    newer = {usage(BEN, 20_000 + number, number): 20_000 + number for number in range(5000)}
    raw.zadd("LOGS:token_usage", newer)
    raw.zremrangebyrank("LOGS:token_usage", 0, -6001)
    assert move()["kinds"]["token_usage"] == fate(4000, 1000, skipped={"not_among_the_newest": 5250})
    assert raw.zcard("LOGS:token_usage") == 10_000


@pytest.mark.parametrize(
    ("deferred", "expected"),
    [
        (("m", "hi", 60), fate(1)),
        (("m", "hi", 6 * 3600 + 60), fate(skipped={"stale": 1})),
        (("asked", "hi", 60), fate(skipped={"stale": 1})),
        (("answered", "hi", 60), fate(skipped={"answered": 1})),
        (("m", "  ", 60), fate(skipped={"empty_content": 1})),
    ],
)
def test_a_message_that_waited_for_the_morning_is_answered_once_or_not(
    deferred: tuple[str, str, int], expected: object, move: Move, old: Redis, raw: Redis
) -> None:
    now = now_of(old)
    message, content, ago_s = deferred
    long_ago, lately = now - 8 * 3_600_000, now - 50_000
    said = {turn("asked", long_ago): long_ago}
    if message == "answered":
        said |= {turn("answered", lately - 5): lately - 5, turn("reply", lately, "outgoing"): lately}
    old.zadd(f"HISTORY:{ANNA}", said)
    old.zadd("DEFERRED:messages", {waiting(ANNA, message, content, now - ago_s * 1000): now})
    assert move()["kinds"]["deferred"] == expected
    assert raw.llen(f"INBOX:{ANNA}") == expected["taken"]  # type: ignore[index]
    move()
    assert raw.llen(f"INBOX:{ANNA}") == expected["taken"]  # type: ignore[index]


def test_messages_that_waited_keep_their_order_and_come_once(move: Move, old: Redis, raw: Redis) -> None:
    now = now_of(old)
    old.zadd(
        "DEFERRED:messages", {waiting(ANNA, name, name, now - at): now for name, at in {"a": 1000, "z": 3000, "m": 2000}.items()}
    )
    old.zadd("DEFERRED:messages", {waiting(ANNA, "z", "z", now - 2999): now + 1, "{}": now, waiting("x@g.us", "m", "m", now): now})
    expected = fate(3, skipped={"twice": 1}, refused={"malformed": 1, "group": 1})
    assert move()["kinds"]["deferred"] == expected
    assert [json.loads(each)["messageId"] for each in raw.lrange(f"INBOX:{ANNA}", 0, -1)] == ["z", "m", "a"]
    assert (raw.xlen("QUEUE:messages"), raw.zcard(f"SEEN:{ANNA}")) == (1, 3)


def test_a_message_that_we_decided_about_does_not_wait_again(move: Move, old: Redis, raw: Redis) -> None:
    now = now_of(old)
    old.zadd("DEFERRED:messages", {waiting(ANNA, "m", "hi", now - 1000): now})
    raw.zadd(f"SEEN:{ANNA}", {"m": now})
    assert move()["kinds"]["deferred"] == fate(0, 1)
    assert raw.exists(f"INBOX:{ANNA}", "QUEUE:messages") == 0


def test_a_full_inbox_takes_no_more(move: Move, old: Redis, raw: Redis) -> None:
    now = now_of(old)
    raw.rpush(f"INBOX:{ANNA}", *["x"] * 200)
    old.zadd("DEFERRED:messages", {waiting(ANNA, "m", "hi", now - 1000): now})
    assert move()["kinds"]["deferred"] == fate(refused={"inbox_full": 1})


KEYS = {
    "histories": f"HISTORY:{ANNA}",
    "pauses": f"PAUSE:{ANNA}",
    "everybody_paused": "PAUSE:ALL",
    "contacts": "CONTACTS:list",
    "styles": f"STYLE:data:{ANNA}",
    "relationships": f"RELATIONSHIP:scores:{ANNA}",
    "relationship_overrides": f"RELATIONSHIP:manual_override:{ANNA}",
    "token_usage": "LOGS:token_usage",
    "token_stats": "STATS:tokens:2026-11-22",
    "deferred": "DEFERRED:messages",
    "sleep_hours": "CONFIG:sleep_hours",
    "session": "SESSION:whatsapp:info",
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_value_of_another_type_is_refused(kind: str, move: Move, old: Redis, raw: Redis) -> None:
    old.xadd(KEYS[kind], {"x": "y"})
    before = everything(raw)
    kinds = move()["kinds"]
    assert {name: found for name, found in kinds.items() if found != fate()} == {kind: fate(refused={"wrong_type": 1})}
    assert everything(raw) == before


@pytest.mark.parametrize(
    "garbage",
    ["garbage", "{}", "[]", "null", "\x00", "[" * 5000, "1" * 5000, '{"pausedAt": NaN}', "x" * 1_100_000],
    ids=lambda garbage: garbage[:9],
)
@pytest.mark.parametrize("kind", [*KEYS])
def test_a_value_that_cannot_be_read_is_refused(kind: str, garbage: str, move: Move, old: Redis, raw: Redis) -> None:
    reason = "too_large" if len(garbage) > 1_000_000 else "malformed"
    if kind == "contacts" and garbage == "[]":
        return  # an empty address book
    if kind in {"histories", "token_usage", "deferred"}:
        old.zadd(KEYS[kind], {garbage: 1})
    elif kind in {"relationships", "token_stats"}:
        old.hset(KEYS[kind], mapping={"friend": garbage, "response": garbage})
        reason = "malformed"
    else:
        old.set(KEYS[kind], garbage)
    before = everything(raw)
    kinds = move()["kinds"]
    found = {name: each for name, each in kinds.items() if each != fate()}
    if kind == "histories":
        assert found == {"turns": fate(refused={reason: 1}), "histories": fate(skipped={"nothing_in_it": 1})}
    else:
        assert found == {kind: fate(refused={reason: 1})}
    assert everything(raw) == before


def test_who_is_no_contact_is_refused_for_every_kind(move: Move, old: Redis, raw: Redis) -> None:
    talk(old, "x@lid")
    old.set("PAUSE:status@broadcast", "1")
    old.set("STYLE:data:nobody", compact(STYLE))
    old.hset("RELATIONSHIP:scores:1@newsletter", mapping=SCORES)
    old.hset("STATS:tokens:yesterday", mapping=WRITTEN)
    old.hset("STATS:tokens:2026-02-30", mapping=WRITTEN)
    before = everything(raw)
    kinds = move()["kinds"]
    refused = {name: found["refused"] for name, found in kinds.items() if found["refused"]}
    assert refused == {
        "histories": {"alias": 1},
        "pauses": {"broadcast": 1},
        "styles": {"malformed": 1},
        "relationships": {"newsletter": 1},
        "token_stats": {"malformed": 2},
    }
    assert everything(raw) == before


def test_a_timed_pause_of_everybody_ends_as_it_would_have(move: Move, old: Redis, raw: Redis) -> None:
    old.set("PAUSE:ALL", str(now_of(old)), ex=600)
    assert move()["kinds"]["everybody_paused"] == fate(1)
    assert 500 < raw.ttl("PAUSE:ALL") <= 600
    assert raw.get(keys.KILLED) is None


def test_verbose_names_every_value_and_never_what_was_said(cli: Cli, move: Move, old: Redis, other_url: str) -> None:
    install(old, now_of(old))
    dry = cli("migrate", "predecessor", "--from", other_url, "--verbose").stdout
    done = cli("migrate", "predecessor", "--from", other_url, "--verbose", "--execute").stdout
    assert dry.splitlines()[:-1] == done.splitlines()[:-1]
    assert f"histories              taken          {ANNA}" in dry.splitlines()
    assert f"pauses                 not_approved   {CARL}" in dry.splitlines()
    for said in ("hello", "are you up?", "long ago", "say", "Ben"):
        assert said not in dry
    del move


def test_the_envelope(cli: Cli, old: Redis, raw: Redis, other_url: str) -> None:
    install(old, now_of(old))
    approve(raw, ANNA)
    result = cli("migrate", "predecessor", "--from", other_url, "--json")
    envelope = json.loads(result.stdout)
    assert (envelope["schema"], envelope["status"], envelope["exit_code"]) == ("secondme.migrate.predecessor/1", "ok", 0)
    assert set(envelope["data"]) == {"executed", "kinds", "notes", "session", "sleep"}


def test_the_sleep_hours_enter_a_configuration_that_says_nothing_about_sleep(
    move: Move, old: Redis, config_file: Path, cli: Cli
) -> None:
    config_file.parent.mkdir(parents=True, exist_ok=True)
    config_file.write_text('# mine\n[persona]\nname = "Sam"')
    install(old, now_of(old))
    assert move()["kinds"]["sleep_hours"] == fate(1)
    assert config_file.read_text().startswith('# mine\n[persona]\nname = "Sam"\n\n[sleep]\nenabled = true\n')
    assert backups(config_file)[-1].read_text() == '# mine\n[persona]\nname = "Sam"'
    assert {oct(each.stat().st_mode & 0o777) for each in config_file.parent.glob("config*")} == {"0o600"}
    rows = {row["name"]: row["value"] for row in data(cli("config", "show", "--json"))["settings"]}
    assert [rows[f"sleep.{name}"] for name in ("enabled", "start", "end", "timezone")] == [
        True,
        "23:30:00",
        "07:00:00",
        "Etc/GMT-1",
    ]
    assert rows["persona.name"] == "Sam"
    assert move()["kinds"]["sleep_hours"] == fate(0, 1)


@pytest.mark.parametrize("text", ['[sleep]\nstart = "22:00"\n', "sleep.enabled = false\n"])
def test_sleep_hours_that_a_person_wrote_stay(text: str, move: Move, old: Redis, config_file: Path) -> None:
    config_file.parent.mkdir(parents=True, exist_ok=True)
    config_file.write_text(text)
    install(old, now_of(old))
    report = move()
    assert report["kinds"]["sleep_hours"] == fate(refused={"config_has_sleep": 1})
    assert 'timezone = "Etc/GMT-1"' in report["sleep"]
    assert config_file.read_text() == text
    assert backups(config_file) == []


def test_half_an_hour_has_no_zone_and_is_left_to_a_person(move: Move, old: Redis, config_file: Path) -> None:
    install(old, now_of(old))
    hours = json.loads(str(old.get("CONFIG:sleep_hours")))
    old.set("CONFIG:sleep_hours", compact({**hours, "timezoneOffset": 5.5}))
    report = move()
    assert report["kinds"]["sleep_hours"] == fate(refused={"no_time_zone_for_offset": 1})
    assert report["sleep"] == ["[sleep]", "enabled = true", 'start = "23:30"', 'end = "07:00"']
    assert not config_file.exists()


def test_a_run_for_hundreds_says_how_far_it_is(cli: Cli, raw: Redis, old: Redis, other_url: str) -> None:
    people = [phone(number) for number in range(250)]
    talk(old, *people)
    approve(raw, *people)
    result = cli("migrate", "predecessor", "--from", other_url, "--execute", "--json")
    assert data(result)["kinds"]["histories"] == fate(250)
    assert [line.split()[0] for line in result.stderr.splitlines()] == ["Progress:"] * 2
