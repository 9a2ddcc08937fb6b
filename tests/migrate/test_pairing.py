"""Who has a history is let in, once; nobody else is, and nothing is overwritten."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

import pytest
from fakes.process import Cli, knock, let_in
from fakes.town import Town
from fakes.watching import Ear
from migrate.world import Silent, both, data, everything, phone, talk
from redis import Redis

from secondme.core.admit.pairing_store import PairingStore
from secondme.core.config.loader import Setup
from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.migrate.approvals import ApprovalPlan, PairingMigration
from secondme.core.migrate.store import AdoptionStore, Newcomer, Outcome
from secondme.core.records import PairingRequest
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.server import Role

ANNA, BEN, CARA = phone(1), phone(2), phone(3)
EMPTY = {"processed": 0, "approved": 0, "already": 0, "denied": 0, "gone": 0, "refused": {}, "tier": "standard"}


def migration(town: Town, watcher: Silent, *, execute: bool = True) -> PairingMigration:
    plan = ApprovalPlan(Tier.STANDARD, execute)
    return PairingMigration(AdoptionStore(town.store), town.pairing, watcher, plan, {}, 1_790_000_000_000)


def test_an_empty_store_has_nobody_to_let_in(cli: Cli, raw: Redis) -> None:
    assert both(cli, "pairing")[0] == EMPTY
    assert raw.dbsize() == 0


def test_everybody_with_a_history_is_let_in_with_the_documents_record(cli: Cli, raw: Redis) -> None:
    talk(raw, ANNA, "telegram:12345")
    report, _ = both(cli, "pairing", "--tier", "restricted")
    assert report == {**EMPTY, "processed": 2, "approved": 2, "tier": "restricted"}
    record = json.loads(str(raw.get(f"PAIRING:approved:{ANNA}")))
    at = record["approvedAt"]
    fields = {"approvedAt": at, "approvedBy": "migration", "tier": "restricted"}
    assert record == {"contactId": ANNA, "phoneNumber": "4915100000001", "channelId": "whatsapp", **fields}
    other = json.loads(str(raw.get("PAIRING:approved:telegram:12345")))
    assert other == {"contactId": "telegram:12345", "phoneNumber": "telegram:12345", "channelId": "telegram", **fields}
    now = raw.time()
    assert now[0] * 1000 - 60_000 < at <= now[0] * 1000 + now[1] // 1000
    assert raw.zrange(keys.INDEX_APPROVED, 0, -1, withscores=True) == [(ANNA, at), ("telegram:12345", at)]
    assert raw.hgetall(keys.PAIRING_STATS) == {"pending_count": "0", "approved_count": "2", "denied_count": "0"}
    assert raw.ttl(f"PAIRING:approved:{ANNA}") == -1
    rows = data(cli("pairing", "list", "--json"))["contacts"]
    assert sorted(row["contactId"] for row in rows) == [ANNA, "telegram:12345"]


def test_a_dry_run_is_the_default_and_changes_nothing(cli: Cli, raw: Redis) -> None:
    talk(raw, ANNA, BEN)
    before = everything(raw)
    result = cli("migrate", "pairing")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Nothing was changed. To do it: secondme migrate pairing --execute" in result.stdout
    assert everything(raw) == before


def test_a_second_run_changes_nothing(cli: Cli, raw: Redis) -> None:
    talk(raw, ANNA, BEN)
    cli("migrate", "pairing", "--execute")
    before = everything(raw)
    assert both(cli, "pairing", "--tier", "trusted")[0] == {**EMPTY, "processed": 2, "already": 2, "tier": "trusted"}
    assert everything(raw) == before


def test_the_lines_of_the_dry_run_are_those_of_the_execution(cli: Cli, raw: Redis) -> None:
    talk(raw, ANNA, BEN, "120363000000000001@g.us", "local:\x1b[31mred\u202e")
    dry, done = (cli("migrate", "pairing", "--verbose", *more).stdout.splitlines() for more in ([], ["--execute"]))
    assert dry[:-1] == done[:-1]
    assert sorted(dry[:4]) == sorted(
        [f"approved     {ANNA}", f"approved     {BEN}", "group        120363000000000001@g.us", "malformed    local:[31mred"]
    )
    assert dry[-1].startswith("Nothing was changed.")
    assert done[-1] == "Migration complete: 4 processed, 2 approved, 2 skipped"


def test_with_json_the_lines_are_beside_the_envelope(cli: Cli, raw: Redis) -> None:
    talk(raw, ANNA)
    result = cli("migrate", "pairing", "--verbose", "--json")
    assert result.stderr == f"approved     {ANNA}\n"
    assert json.loads(result.stdout)["schema"] == "secondme.migrate.pairing/1"


def test_the_set_of_ids_is_no_contact_but_a_contact_may_be_called_ids(cli: Cli, raw: Redis) -> None:
    talk(raw, ANNA, "local:anna", "local:ids")
    raw.sadd("HISTORY:123@g.us:ids", "x")
    raw.sadd("HISTORY:weird name:ids", "x")
    report, _ = both(cli, "pairing")
    assert report == {**EMPTY, "processed": 3, "approved": 3}
    assert sorted(raw.zrange(keys.INDEX_APPROVED, 0, -1)) == [ANNA, "local:anna", "local:ids"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("120363041234567890@g.us", "group"),
        ("4915112345678-1400000000@g.us", "group"),
        ("status@broadcast", "broadcast"),
        ("1600000000@broadcast", "broadcast"),
        ("120363144038483540@newsletter", "newsletter"),
        ("98765432109876@lid", "alias"),
        ("4915112345678@s.whatsapp.net", "alias"),
        ("0@c.us", "malformed"),
        ("04915112345678@c.us", "malformed"),
        ("123@c.us", "malformed"),
        ("+4915112345678@c.us", "malformed"),
        ("4915112345678:12@c.us", "malformed"),
        ("٤٩١٥١١٢٣٤٥@c.us", "malformed"),
        ("4915112345678", "malformed"),
        ("", "malformed"),
        ("local:", "malformed"),
        ("Local:anna", "malformed"),
        ("local:anna@c.us", "malformed"),
        ("local:an na", "malformed"),
        ("local:" + "x" * 96, "malformed"),
        ("../../etc/passwd", "malformed"),
        ("x" * 5000, "malformed"),
    ],
    ids=lambda word: word[:30],
)
def test_what_is_no_contact_is_refused_with_its_reason(name: str, reason: str, cli: Cli, raw: Redis) -> None:
    talk(raw, name)
    before = everything(raw)
    report, result = both(cli, "pairing")
    assert (report, result.exit_code) == ({**EMPTY, "processed": 1, "refused": {reason: 1}}, 0)
    assert everything(raw) == before


def test_a_name_that_is_no_text_is_refused_and_shown_as_numbers(cli: Cli, redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        client.flushall()
        client.zadd(b"HISTORY:\xff\xfe\x1b]0;x\x07", {b"x": 1})
    result = cli("migrate", "pairing", "--verbose")
    assert "malformed    \\xff\\xfe]0;x" in result.stdout.splitlines()


@pytest.mark.parametrize("kind", ["string", "list", "set", "hash"])
def test_a_history_of_another_type_is_refused(kind: str, cli: Cli, raw: Redis) -> None:
    key = f"HISTORY:{ANNA}"
    {
        "string": lambda: raw.set(key, "x"),
        "list": lambda: raw.rpush(key, "x"),
        "set": lambda: raw.sadd(key, "x"),
        "hash": lambda: raw.hset(key, "x", "y"),
    }[kind]()
    before = everything(raw)
    assert both(cli, "pairing")[0] == {**EMPTY, "processed": 1, "refused": {"wrong_type": 1}}
    assert everything(raw) == before


def test_the_denied_and_the_approved_stay_what_they_are(cli: Cli, raw: Redis, setup: Setup) -> None:
    async def prepare() -> None:
        await let_in(setup, "anna", "cara", tier=Tier.TRUSTED)
        async with Store(setup, Role.ATTACH) as store:
            await PairingStore(store, setup.settings.pairing).deny(ContactId("local:cara"), code="", channel="local", by="test")

    asyncio.run(prepare())
    talk(raw, "local:anna", "local:cara", "local:dora")
    record, denial = raw.get("PAIRING:approved:local:anna"), raw.get("PAIRING:denied:local:cara")
    assert both(cli, "pairing")[0] == {**EMPTY, "processed": 3, "approved": 1, "already": 1, "denied": 1}
    assert (raw.get("PAIRING:approved:local:anna"), raw.get("PAIRING:denied:local:cara")) == (record, denial)
    assert raw.exists("PAIRING:approved:local:cara") == 0
    assert raw.hgetall(keys.PAIRING_STATS) == {"pending_count": "0", "approved_count": "2", "denied_count": "1"}


def test_a_denial_that_has_ended_is_none(cli: Cli, raw: Redis) -> None:
    talk(raw, ANNA)
    raw.zadd(keys.INDEX_DENIED, {ANNA: 1})  # not swept yet; the record itself is gone
    assert both(cli, "pairing")[0]["approved"] == 1
    assert raw.hget(keys.PAIRING_STATS, "denied_count") == "0"


def test_who_waits_at_the_door_is_let_in_through_it(cli: Cli, raw: Redis, setup: Setup) -> None:
    async def prepare() -> None:
        async with Store(setup, Role.ATTACH) as store:
            await knock(store, setup, "ben")

    asyncio.run(prepare())
    talk(raw, "local:ben", "local:dora")
    report, _ = both(cli, "pairing", "--tier", "trusted")
    assert report == {**EMPTY, "processed": 2, "approved": 2, "tier": "trusted"}
    record = json.loads(str(raw.get("PAIRING:approved:local:ben")))
    assert (record["approvedBy"], record["tier"], record["displayName"]) == ("migration", "trusted", "ben")
    assert [key for key in raw.scan_iter("PAIRING:*") if "pending" in key or "codes" in key] == []
    assert raw.hgetall(keys.PAIRING_STATS) == {"pending_count": "0", "approved_count": "2", "denied_count": "0"}


@pytest.mark.parametrize(
    "garbage", ["garbage", "{}", "[]", "null", '{"contactId": 1}', "[" * 5000, "x" * 20_000], ids=lambda garbage: garbage[:40]
)
@pytest.mark.parametrize("key", ["PAIRING:approved:", "PAIRING:pending:"])
def test_a_record_that_cannot_be_read_is_refused_and_left_as_it_is(garbage: str, key: str, cli: Cli, raw: Redis) -> None:
    talk(raw, ANNA, BEN)
    raw.set(key + ANNA, garbage)
    report, result = both(cli, "pairing")
    assert report == {**EMPTY, "processed": 2, "approved": 1, "refused": {"corrupt": 1}}
    assert raw.get(key + ANNA) == garbage
    envelope = json.loads(result.stdout)
    assert (envelope["status"], envelope["exit_code"], envelope["errors"][0]["code"]) == ("partial", 65, "corrupt_record")


def test_an_approval_of_another_type_is_refused_and_left_as_it_is(cli: Cli, raw: Redis) -> None:
    talk(raw, ANNA)
    raw.rpush(f"PAIRING:approved:{ANNA}", "x")
    assert both(cli, "pairing")[0]["refused"] == {"corrupt": 1}
    assert raw.lrange(f"PAIRING:approved:{ANNA}", 0, -1) == ["x"]


def test_an_approval_that_another_program_wrote_gets_into_the_list(cli: Cli, raw: Redis) -> None:
    talk(raw, ANNA)
    record = {"contactId": ANNA, "phoneNumber": "1", "approvedAt": 1_700_000_000_000, "approvedBy": "script", "tier": "trusted"}
    raw.set(f"PAIRING:approved:{ANNA}", json.dumps(record))
    assert data(cli("pairing", "list", "--json"))["contacts"] == []
    assert both(cli, "pairing")[0] == {**EMPTY, "processed": 1, "already": 1}
    (row,) = data(cli("pairing", "list", "--json"))["contacts"]
    assert (row["tier"], row["approvedAt"]) == ("trusted", "2023-11-14T22:13:20Z")


def test_names_come_from_the_address_book_and_are_made_safe(cli: Cli, raw: Redis) -> None:
    talk(raw, ANNA, BEN, CARA)
    names = {ANNA: "Anna\x1b[2J \u202eanna", BEN: "x" * 5000, CARA: ""}
    raw.set("CONTACTS:list", json.dumps([{"id": each, "name": name, "phoneNumber": "1"} for each, name in names.items()]))
    both(cli, "pairing")
    shown = [json.loads(str(raw.get(f"PAIRING:approved:{each}"))).get("displayName") for each in names]
    assert shown == ["Anna[2J anna", "x" * 63 + "…", None]


@pytest.mark.parametrize(
    "book",
    ["garbage", "{}", "[1, null, {}]", "[" * 5000, '[{"id": ["x"], "name": "y"}]', "x" * 1_100_000],
    ids=lambda book: book[:9],
)
def test_an_address_book_that_cannot_be_read_is_none(book: str, cli: Cli, raw: Redis) -> None:
    talk(raw, ANNA)
    raw.set("CONTACTS:list", book)
    assert both(cli, "pairing")[0]["approved"] == 1
    assert "displayName" not in json.loads(str(raw.get(f"PAIRING:approved:{ANNA}")))


async def test_one_event_says_how_many_were_let_in(town: Town, ear: Ear, redis_url: str) -> None:
    talk(Redis.from_url(redis_url), ANNA, BEN)
    for execute in (False, True, True):
        await migration(town, Silent(), execute=execute).run(town.store)
    (event,) = await ear.heard()
    assert {name: event[name] for name in event if name != "timestamp"} == {
        "channel": "events:pairing",
        "type": "pairing_migrated",
        "approved": 2,
        "already": 0,
    }


class Meanwhile(AdoptionStore):
    """The real thing, before which something happens; it remembers how many it was given."""

    def __init__(self, town: Town, happens: Callable[[], Awaitable[object]] | None = None) -> None:
        super().__init__(town.store)
        self.sizes: list[int] = []
        self._happens = happens

    async def adopt(self, newcomers: Sequence[Newcomer], *, execute: bool, with_history: bool) -> list[Outcome]:
        self.sizes.append(len(newcomers))
        if self._happens is not None:
            await self._happens()
        return await super().adopt(newcomers, execute=execute, with_history=with_history)


class DeniedMeanwhile(PairingStore):
    """The real thing, after whose first look the owner denies the request."""

    def __init__(self, town: Town) -> None:
        super().__init__(town.store, town.setup.settings.pairing)
        self._owner = town.owner

    async def find(self, reference: str) -> PairingRequest | None:
        request = await super().find(reference)
        if request is not None:
            await self._owner.deny(reference)
        return request


async def test_a_revocation_between_the_look_and_the_decision_stands(town: Town, redis_url: str) -> None:
    await town.let_in("anna")
    talk(Redis.from_url(redis_url), "local:anna", "local:ben")
    watcher = Silent()
    running = migration(town, watcher)
    running._adoptions = Meanwhile(town, lambda: town.owner.revoke("local:anna"))
    await running.run(town.store)
    assert sorted(watcher.items) == [("local:anna", "gone"), ("local:ben", "approved")]
    assert not await town.pairing.is_approved(ContactId("local:anna"))


async def test_a_request_that_is_denied_in_the_last_moment_stays_denied(town: Town, redis_url: str) -> None:
    await town.writes("ben", "hello")
    talk(Redis.from_url(redis_url), "local:ben")
    watcher = Silent()
    running = migration(town, watcher)
    running._pairing = DeniedMeanwhile(town)
    await running.run(town.store)
    assert watcher.items == [("local:ben", "denied")]
    assert not await town.pairing.is_approved(ContactId("local:ben"))


async def test_contacts_are_decided_about_in_batches_of_a_hundred(town: Town, redis_url: str) -> None:
    talk(Redis.from_url(redis_url), *map(phone, range(250)))
    running = migration(town, Silent())
    running._adoptions = counting = Meanwhile(town)
    await running.run(town.store)
    assert counting.sizes == [100, 100, 50]


def test_a_line_is_said_for_every_hundred(cli: Cli, raw: Redis) -> None:
    talk(raw, *map(phone, range(250)), "status@broadcast")
    said = cli("migrate", "pairing", "--execute").stderr.splitlines()
    assert said == [f"Progress: {number} processed, {number - 1} approved, 1 skipped" for number in (100, 200)]
    again = cli("migrate", "pairing", "--execute").stderr.splitlines()
    assert all(line.endswith(" 0 approved, " + line.split()[1] + " skipped") for line in again)
