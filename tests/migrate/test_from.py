"""Another Redis is only read: who has a history there is let in here, and what it decided about people is kept."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.process import Cli, Terminal, command, environment
from migrate.world import both, data, everything, phone, talk
from redis import Redis

ANNA, BEN, CARA, DORA = map(phone, range(1, 5))
EMPTY = {"processed": 0, "approved": 0, "already": 0, "denied": 0, "gone": 0, "refused": {}, "tier": "standard"}


def approval(contact: str, **other: object) -> str:
    record = {"contactId": contact, "phoneNumber": "1", "approvedAt": 1_700_000_000_000, "approvedBy": "old", "tier": "trusted"}
    return json.dumps({**record, **other})


def test_who_has_a_history_there_is_let_in_here_and_nothing_else_comes_over(
    cli: Cli, raw: Redis, old: Redis, other_url: str
) -> None:
    talk(old, ANNA, "local:ids", "120363041234567890@g.us", "status@broadcast")
    old.set("PAUSE:ALL", "1")
    theirs = everything(old)
    report, _ = both(cli, "pairing", "--from", other_url)
    assert report == {**EMPTY, "processed": 4, "approved": 2, "refused": {"group": 1, "broadcast": 1}}
    assert sorted(raw.scan_iter()) == [
        "EVENTS:log",
        f"PAIRING:approved:{ANNA}",
        "PAIRING:approved:local:ids",
        "PAIRING:index:approved",
        "PAIRING:stats",
    ]
    assert raw.hget("PAIRING:stats", "approved_count") == "2"
    assert everything(old) == theirs


def test_approvals_there_come_over_as_they_are(cli: Cli, raw: Redis, old: Redis, other_url: str) -> None:
    talk(old, ANNA, BEN)
    old.set(f"PAIRING:approved:{ANNA}", approval(ANNA, displayName="Anna\u202e", notes="a\x1bb", odd=1))
    old.set(f"PAIRING:approved:{CARA}", approval(CARA, tier="restricted", channelId="whatsapp"))
    report, _ = both(cli, "pairing", "--from", other_url)
    assert report == {**EMPTY, "processed": 3, "approved": 3}
    anna = json.loads(str(raw.get(f"PAIRING:approved:{ANNA}")))
    assert anna == {**json.loads(approval(ANNA)), "displayName": "Anna", "notes": "ab", "channelId": "whatsapp"}
    rows = data(cli("pairing", "list", "--json"))["contacts"]
    assert {row["contactId"]: (row["tier"], row["approvedBy"]) for row in rows} == {
        ANNA: ("trusted", "old"),
        BEN: ("standard", "migration"),
        CARA: ("restricted", "old"),
    }
    before = everything(raw)
    assert both(cli, "pairing", "--from", other_url)[0] == {**EMPTY, "processed": 3, "already": 3}
    assert everything(raw) == before


@pytest.mark.parametrize(
    "garbage",
    ["garbage", "{}", approval(BEN), approval(ANNA, tier="owner"), approval(ANNA, approvedAt="x"), "[" * 5000, "x" * 20_000],
    ids=lambda garbage: garbage[:40],
)
@pytest.mark.parametrize("talked", ["talked", "never talked"])
def test_an_approval_there_that_cannot_be_read_is_refused(
    garbage: str, talked: str, cli: Cli, raw: Redis, old: Redis, other_url: str
) -> None:
    if talked == "talked":
        talk(old, ANNA)
    old.set(f"PAIRING:approved:{ANNA}", garbage)
    assert both(cli, "pairing", "--from", other_url)[0] == {**EMPTY, "processed": 1, "refused": {"corrupt": 1}}
    assert raw.dbsize() == 0


def test_a_denial_there_counts_here(cli: Cli, raw: Redis, old: Redis, other_url: str) -> None:
    talk(old, ANNA)
    old.set(f"PAIRING:approved:{BEN}", approval(BEN))
    for contact in (ANNA, BEN):
        old.set(f"PAIRING:denied:{contact}", "{}", ex=60)
    assert both(cli, "pairing", "--from", other_url)[0] == {**EMPTY, "processed": 2, "denied": 2}
    assert raw.dbsize() == 0


def test_wrong_types_there_are_refused_and_hide_nobody(cli: Cli, raw: Redis, old: Redis, other_url: str) -> None:
    talk(old, ANNA)
    old.set(f"HISTORY:{BEN}", "x")
    talk(old, CARA)
    old.rpush(f"PAIRING:approved:{CARA}", "x")
    old.rpush(f"PAIRING:approved:{DORA}", "x")
    old.hset("CONTACTS:list", "x", "y")
    report, _ = both(cli, "pairing", "--from", other_url)
    assert report == {**EMPTY, "processed": 4, "approved": 1, "refused": {"wrong_type": 1, "corrupt": 2}}
    assert raw.zrange("PAIRING:index:approved", 0, -1) == [ANNA]


def test_names_come_from_the_address_book_there(cli: Cli, raw: Redis, old: Redis, other_url: str) -> None:
    talk(old, ANNA)
    old.set("CONTACTS:list", json.dumps([{"id": ANNA, "name": "Anna", "phoneNumber": "1"}]))
    both(cli, "pairing", "--from", other_url)
    assert json.loads(str(raw.get(f"PAIRING:approved:{ANNA}")))["displayName"] == "Anna"


@pytest.mark.parametrize("words", [("pairing",), ("predecessor",)])
def test_our_own_store_is_refused_as_a_source(words: tuple[str, ...], cli: Cli, raw: Redis, redis_url: str) -> None:
    talk(raw, ANNA)
    result = cli("migrate", *words, "--from", f"{redis_url}?db=0", "--json", "--execute")
    assert (result.exit_code, json.loads(result.stdout)["errors"][0]["code"]) == (78, "source_is_own_store")
    assert raw.exists(f"PAIRING:approved:{ANNA}") == 0


@pytest.mark.parametrize("words", [("pairing",), ("predecessor",)])
def test_a_source_that_is_down_is_one_line_and_69(words: tuple[str, ...], cli: Cli, raw: Redis, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for url in (f"unix://{tmp_path}/nothing.sock", f"redis://127.0.0.1:{closed.getsockname()[1]}"):
            result = cli("migrate", *words, "--from", url, "--execute")
            assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (69, "", 1)
            assert "The Redis to migrate from does not answer." in result.stderr
    assert raw.dbsize() == 0


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cret@127.0.0.1:6380",
        "redis://sam:s3cret@127.0.0.1:6380/0",
        "rediss://:s3cret@127.0.0.1:6380",
        "unix:///tmp/x.sock?password=s3cret",
        "redis://[s3cret",
    ],
)
@pytest.mark.parametrize("words", [("pairing",), ("predecessor",)])
def test_a_password_on_the_command_line_is_refused_and_not_repeated(url: str, words: tuple[str, ...], cli: Cli) -> None:
    result = cli("migrate", *words, "--from", url, "--json")
    envelope = json.loads(result.stdout)
    assert (result.exit_code, envelope["errors"][0]["code"]) == (78, "secret_in_argv")
    assert "SECONDME_MIGRATE_FROM" in envelope["errors"][0]["fix"]
    assert "s3cret" not in result.stdout + result.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1", "127.0.0.1:6380", "redis://127.0.0.1:s3cret"])
def test_a_url_that_is_none_is_refused_and_not_repeated(url: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDME_MIGRATE_FROM", url)
    result = cli("migrate", "pairing", "--json")
    assert (result.exit_code, json.loads(result.stdout)["errors"][0]["code"]) == (78, "bad_source_url")
    assert "s3cret" not in result.stdout + result.stderr


def test_the_environment_may_carry_the_password(raw: Redis, old: Redis, other_url: str, home: Path, redis_url: str) -> None:
    talk(old, ANNA)
    old.config_set("requirepass", "s3cret")
    try:
        refused = command(home, "migrate", "pairing", "--from", other_url, "--json", SECONDME_REDIS_URL=redis_url)
        assert (refused.returncode, json.loads(refused.stdout)["errors"][0]["code"]) == (77, "source_refused")
        secret = f"{other_url}?password=s3cret"
        env = {"SECONDME_REDIS_URL": redis_url, "SECONDME_MIGRATE_FROM": secret}
        done = command(home, "migrate", "pairing", "--execute", "--json", **env)
        assert (done.returncode, json.loads(done.stdout)["data"]["approved"]) == (0, 1)
        assert "s3cret" not in done.stdout + done.stderr
    finally:
        old.config_set("requirepass", "")
    assert raw.zrange("PAIRING:index:approved", 0, -1) == [ANNA]


def test_the_variable_of_the_migration_is_no_setting(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDME_MIGRATE_FROM", "redis://:s3cret@x")
    result = cli("config", "show")
    assert (result.exit_code, "s3cret" in result.stdout) == (0, False)


def test_the_predecessor_needs_a_place_to_come_from(cli: Cli) -> None:
    assert "SECONDME_MIGRATE_FROM" not in os.environ
    assert cli("migrate", "predecessor").exit_code == 2


def test_on_a_terminal_a_bar_says_how_far_it_is(raw: Redis, redis_url: str, home: Path) -> None:
    talk(raw, *map(phone, range(250)))
    words = [sys.executable, "-m", "secondme", "--home", str(home), "migrate", "pairing", "--execute"]
    with Terminal(words, SECONDME_REDIS_URL=redis_url) as terminal:
        assert terminal.ended() == 0
    assert "\x1b[?25l" in terminal.output  # the bar hides the cursor
    assert "\x1b[?25h" in terminal.output
    assert "Progress: 200 processed, 200 approved, 0 skipped" in terminal.output
    assert terminal.output.endswith("Migration complete: 250 processed, 250 approved, 0 skipped\r\n")
    assert raw.zcard("PAIRING:index:approved") == 250


def test_the_result_is_a_table(cli: Cli, raw: Redis) -> None:
    talk(raw, phone(1), phone(2), "status@broadcast", "x@g.us")
    raw.set(f"PAIRING:denied:{phone(2)}", "{}", ex=60)
    assert cli("migrate", "pairing", "--execute").stdout.splitlines() == [
        "what      contacts  why",
        "approved  1         standard",
        "denied    1",
        "refused   1         broadcast",
        "refused   1         group",
        "Migration complete: 4 processed, 1 approved, 3 skipped",
    ]


def test_an_empty_source_is_said_in_one_sentence(cli: Cli, raw: Redis, old: Redis, other_url: str) -> None:
    assert (raw.dbsize(), old.dbsize()) == (0, 0)
    assert cli("migrate", "pairing", "--from", other_url).stdout.startswith("Nobody has a history.\n")
    assert cli("migrate", "predecessor", "--from", other_url).stdout.startswith("There is nothing to bring over.\n")


@pytest.mark.parametrize("words", [("migrate", "--help"), ("migrate", "pairing", "--help")], ids=" ".join)
def test_help_loads_neither_the_settings_nor_the_store(words: tuple[str, ...]) -> None:
    probe = "import json, sys\nfrom secondme.cli.main import program\ntry:\n    program()\nexcept SystemExit:\n    print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", probe, *words], capture_output=True, text=True, env=environment(), check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert loaded & {"redis", "hiredis", "rich.progress", "secondme.core.config.loader", "secondme.core.store.client"} == set()


def test_the_environments_url_is_shown_nowhere(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDME_MIGRATE_FROM", "redis://:s3cret@127.0.0.1:1")
    for words in (("migrate", "pairing", "--help"), ("migrate", "predecessor", "--help"), ("migrate", "pairing")):
        result = cli(*words)
        assert "s3cret" not in result.stdout + result.stderr


def test_what_stands_without_a_namespace_in_the_same_server_comes_into_the_homes_own(
    cli: Cli, raw: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(raw, ANNA)
    theirs = everything(raw)
    monkeypatch.setenv("SECONDME_REDIS_NAMESPACE", "mia")
    assert both(cli, "pairing", "--from", redis_url)[0] == {**EMPTY, "processed": 1, "approved": 1}
    found = everything(raw)
    assert {name: value for name, value in found.items() if not name.startswith("{")} == theirs
    assert f"{{mia}}:PAIRING:approved:{ANNA}" in found
