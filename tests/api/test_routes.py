"""What does each route do, and what does it say when it cannot?"""

import asyncio
import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from api.serving import Serve, Served
from api.wire import ask, request
from fakes.clock import FakeClock
from fakes.process import GatewayProcess, contact, eventually, knock, logged, server_pids, settings_of, until, write_config
from fakes.town import Town
from redis.asyncio import Redis

from secondme.core.api.dependencies import StoreProbe
from secondme.core.enums import Tier
from secondme.core.errors import UnavailableError
from secondme.core.ids import ContactId
from secondme.core.store import keys
from secondme.services import Services

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


async def code_of(served: Served, contact: str) -> str:
    async with served.local() as client:
        waiting = (await client.get("/api/pairing")).json()["contacts"]
    return str(next(each["code"] for each in waiting if each["contactId"] == contact))


async def test_who_waits_is_listed_with_the_code_and_times_a_person_can_read(town_hall: Served) -> None:
    async with town_hall.local() as client:
        answer = await client.get("/api/pairing")
    said = answer.json()
    (ben,) = said["contacts"]
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert said["stats"] == {"pending": 1, "approved": 1, "denied": 1, "invites": 0}
    assert said["errors"] == []
    assert (ben["contactId"], ben["displayName"], ben["status"]) == ("local:ben", "ben", "pending")
    assert re.fullmatch(r"[0-9]{6}", ben["code"])
    assert _TIME.fullmatch(ben["requestedAt"])
    assert _TIME.fullmatch(ben["expiresAt"])


@pytest.mark.parametrize("by", ["id", "code"])
async def test_a_request_is_approved_by_its_id_and_by_its_code(town_hall: Served, by: str) -> None:
    name = "local:ben" if by == "id" else await code_of(town_hall, "local:ben")
    async with town_hall.local() as client:
        answer = await client.post(f"/api/pairing/{name}", json={"tier": "trusted", "notes": "met in Lisbon"})
        again = await client.post("/api/pairing/local:ben")
        (ben, _) = (await client.get("/api/pairing/approved")).json()["contacts"]
    assert answer.json() == {"contactId": "local:ben", "displayName": "ben", "outcome": "approved", "tier": "trusted"}
    assert again.json()["outcome"] == "already_approved"
    assert (ben["approvedBy"], ben["tier"], ben["notes"], ben["status"]) == ("api", "trusted", "met in Lisbon", "approved")


@pytest.mark.parametrize("body", [None, {}, {"reason": "spam"}], ids=str)
async def test_a_request_is_denied_with_and_without_a_reason(town_hall: Served, body: dict[str, str] | None) -> None:
    async with town_hall.local() as client:
        answer = await client.request("DELETE", "/api/pairing/local:ben", json=body)
        (ben, _) = (await client.get("/api/pairing/denied")).json()["contacts"]
    assert answer.json() == {"contactId": "local:ben", "outcome": "denied"}
    assert (ben["contactId"], ben["deniedBy"], ben.get("reason") or None) == ("local:ben", "api", (body or {}).get("reason"))


async def test_the_approved_are_searched_by_name_number_and_id_and_filtered_by_tier(town_hall: Served) -> None:
    async with town_hall.local() as client:
        await client.post("/api/pairing/local:ben", json={"tier": "restricted"})

        async def found(**query: str) -> list[str]:
            answer = await client.get("/api/pairing/approved", params=query)
            return [each["contactId"] for each in answer.json()["contacts"]]

        assert await found() == ["local:ben", "local:anna"]
        assert await found(search="ANN") == ["local:anna"]
        assert await found(search="local:b") == ["local:ben"]
        assert await found(search="nobody") == []
        assert await found(tier="restricted") == ["local:ben"]
        assert await found(tier="restricted", search="anna") == []


@pytest.mark.parametrize(
    ("path", "known", "make", "index"),
    [
        ("/api/pairing", "local:ben", keys.pending, keys.INDEX_PENDING),
        ("/api/pairing/approved", "local:anna", keys.approved, keys.INDEX_APPROVED),
        ("/api/pairing/denied", "local:cara", keys.denied, keys.INDEX_DENIED),
    ],
)
async def test_pages_of_a_list_are_the_list_and_end(
    town_hall: Served, path: str, known: str, make: Callable[[str], str], index: str
) -> None:
    client = town_hall.store.client
    raw, moment = await client.get(make(known)), await client.zscore(index, known)
    for number in range(3):
        await client.set(make(f"local:more{number}"), raw.replace(known.encode(), b"local:more%d" % number))
        await client.zadd(index, {f"local:more{number}": moment + number // 2})
    async with town_hall.local() as client:
        whole = (await client.get(path)).json()
        for limit in (1, 2, 4, 500):
            people, query = [], {"limit": str(limit)}
            while True:
                page = (await client.get(path, params=query)).json()
                assert (page["stats"], page["errors"]) == (whole["stats"], [])
                people += page["contacts"]
                if "following" not in page:
                    break
                assert len(page["contacts"]) == limit
                query["after"] = page["following"]
            assert people == whole["contacts"]
        assert len(whole["contacts"]) == 4
        wrong = [await client.get(path, params=each) for each in ({"limit": "0"}, {"limit": "501"}, {"after": "here"})]
    assert [each.status_code for each in wrong] == [422] * 3


async def test_a_list_reads_its_own_index_and_says_only_of_its_own_records_that_they_are_broken(town_hall: Served) -> None:
    await town_hall.store.client.set(keys.denied("local:cara"), "garbage")
    async with town_hall.local() as client:
        said = [(await client.get(f"/api/pairing{path}")).json() for path in ("", "/approved", "/denied")]
    assert [[each["code"] for each in one["errors"]] for one in said] == [[], [], ["corrupt_record"]]


async def test_an_approved_contact_is_edited_and_what_is_left_out_stays(town_hall: Served) -> None:
    async with town_hall.local() as client:
        await client.patch("/api/pairing/approved/local:anna", json={"notes": "sister"})
        answer = await client.patch("/api/pairing/approved/local:anna", json={"tier": "trusted"})
        (anna,) = (await client.get("/api/pairing/approved")).json()["contacts"]
    assert answer.json() == {
        "contactId": "local:anna",
        "displayName": "anna",
        "outcome": "edited",
        "tier": "trusted",
        "notes": "sister",
    }
    assert (anna["tier"], anna["notes"]) == ("trusted", "sister")


async def test_an_approved_contact_is_revoked_and_a_denied_one_unblocked(town_hall: Served) -> None:
    async with town_hall.local() as client:
        revoked = await client.delete("/api/pairing/approved/local:anna")
        unblocked = await client.delete("/api/pairing/denied/local:cara")
        stats = (await client.get("/api/pairing")).json()["stats"]
        again = [await client.delete("/api/pairing/approved/local:anna"), await client.delete("/api/pairing/denied/local:cara")]
    assert revoked.json() == {"contactId": "local:anna", "displayName": "anna", "outcome": "revoked"}
    assert unblocked.json() == {"contactId": "local:cara", "outcome": "unblocked"}
    assert stats == {"pending": 1, "approved": 0, "denied": 0, "invites": 0}
    assert [each.status_code for each in again] == [404, 404]


async def test_many_are_decided_at_once_and_one_that_fails_keeps_no_other_from_it(town_hall: Served) -> None:
    await knock(town_hall.store, town_hall.setup, "dora")
    wanted = ["local:ben", "local:nobody", "no id!", "local:cara", "local:anna", "local:dora"]
    async with town_hall.local() as client:
        answer = await client.post("/api/pairing/bulk", json={"action": "approve", "contactIds": wanted, "tier": "restricted"})
        tiers = {each["contactId"]: each["tier"] for each in (await client.get("/api/pairing/approved")).json()["contacts"]}
        denied = await client.post("/api/pairing/bulk", json={"action": "deny", "contactIds": ["local:ben"], "reason": "x"})
    results = answer.json()["results"]
    assert [each["contactId"] for each in results] == wanted
    assert [each.get("outcome") or each["error"]["code"] for each in results] == [
        "approved",
        "not_found",
        "not_found",
        "contact_denied",
        "already_approved",
        "approved",
    ]
    assert tiers == {"local:ben": "restricted", "local:dora": "restricted", "local:anna": "standard"}
    assert denied.json()["results"] == [{"contactId": "local:ben", "outcome": "denied"}]


async def test_a_bulk_decision_is_about_one_to_a_thousand(town_hall: Served) -> None:
    async with town_hall.local() as client:
        sizes = [
            (await client.post("/api/pairing/bulk", json={"action": "deny", "contactIds": ["local:x"] * count})).status_code
            for count in (0, 1, 1000, 1001)
        ]
    assert sizes == [422, 200, 200, 422]


async def test_an_invite_is_made_and_used_by_a_stranger_alone(town_hall: Served) -> None:
    async with town_hall.local() as client:
        answer = await client.post("/api/pairing/invites", json={"name": "Dora", "tier": "trusted", "ttlMinutes": 5})
        plain = await client.post("/api/pairing/invites")
        used = await client.post(f"/api/pairing/{answer.json()['code']}")
        stats = (await client.get("/api/pairing")).json()["stats"]
    said = answer.json()
    assert (answer.status_code, said["name"], said["tier"]) == (201, "Dora", "trusted")
    assert re.fullmatch(r"[0-9]{6}", said["code"])
    assert _TIME.fullmatch(said["expiresAt"])
    assert plain.json()["tier"] == Tier.STANDARD.value
    assert used.status_code == 404
    assert stats["invites"] == 2


async def test_one_contact_and_everybody_are_paused_and_resumed(town_hall: Served) -> None:
    async with town_hall.local() as client:
        assert (await client.get("/api/pause")).json() == {"contacts": []}
        assert (await client.get("/api/pause/local:anna")).json() == {"contactId": "local:anna", "paused": False}
        await client.post("/api/pause/local:anna", json={"minutes": 5})
        one = (await client.get("/api/pause/local:anna")).json()
        await client.post("/api/pause")
        both = (await client.get("/api/pause")).json()
        outcomes = [
            (await client.delete(path)).json()["outcome"]
            for path in ("/api/pause/local:anna", "/api/pause/local:anna", "/api/pause", "/api/pause")
        ]
        after = (await client.get("/api/pause")).json()
    assert (one["paused"], one["reason"], bool(_TIME.fullmatch(one["until"]))) == (True, "manual", True)
    assert both["contacts"] == [one]
    assert (both["everybody"]["killed"], "until" in both["everybody"]) == (False, False)
    assert outcomes == ["resumed", "not_paused", "resumed", "not_paused"]
    assert after == {"contacts": []}


async def test_the_kill_switch_is_turned_on_and_only_its_own_route_lifts_it(town_hall: Served) -> None:
    async with town_hall.local() as client:
        assert (await client.get("/api/kill")).json() == {"killed": False}
        killed = (await client.post("/api/kill")).json()
        assert killed == (await client.get("/api/kill")).json()
        assert killed["since"]
        shown = (await client.get("/api/kill")).json()
        refused = [await client.post("/api/pause"), await client.delete("/api/pause"), await client.delete("/api/pause/ALL")]
        still = (await client.get("/api/kill")).json()
        assert (await client.delete("/api/kill")).json() == {"killed": False}
        after = (await client.get("/api/kill")).json()
    assert shown == still
    assert _TIME.fullmatch(shown["since"])
    assert [each.status_code for each in refused] == [409, 409, 404]
    assert after == {"killed": False}


async def test_the_status_is_that_of_the_command(town_hall: Served) -> None:
    async with town_hall.local() as client:
        said = (await client.get("/api/status")).json()
        expected = (await Services(town_hall.setup, town_hall.store).status()).to_dict()
    assert said == expected
    assert said["store"] == {"kind": "redis_url", "canWrite": True}
    assert said["pairing"] == {"pending": 1, "approved": 1, "denied": 1}
    assert said["paused"] is None


@pytest.mark.parametrize("stops", [False, True], ids=["ready", "stopping"])
async def test_health_says_what_works_and_names_nobody(serve: Serve, *, stops: bool) -> None:
    async with serve(lambda: stops) as served, served.local() as client:
        answer = await client.get("/health")
    if stops:
        assert (answer.status_code, answer.json()) == (
            503,
            {"status": "unavailable", "store": "ok", "gateway": "stopping", "channels": {}},
        )
    else:
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "store": "ok", "gateway": "ready", "channels": {}})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/pairing/{}"),
        ("DELETE", "/api/pairing/{}"),
        ("PATCH", "/api/pairing/approved/{}"),
        ("DELETE", "/api/pairing/approved/{}"),
        ("DELETE", "/api/pairing/denied/{}"),
        ("GET", "/api/pause/{}"),
        ("POST", "/api/pause/{}"),
    ],
)
async def test_a_malformed_id_an_unknown_one_and_an_unknown_route_are_one_answer(town_hall: Served, method: str, path: str) -> None:
    names = ["local:nobody", "999999", "no%20id", "%00%1b%5b2J", "%F0%9F%92%A9", "a", "x" * 129, "a%2Fb", "%2e%2e%2fetc", "ALL"]
    async with town_hall.local() as client:
        answers = [await client.request(method, path.format(name), json={}) for name in names]
        answers.append(await client.get("/no/such/route"))
    assert {(each.status_code, each.content) for each in answers} == {(404, answers[0].content)}


@pytest.mark.parametrize("contact", ["491512345678@c.us", "telegram:1", "a~b._+@:-", "---", "..."])
async def test_every_contact_id_is_reached_by_its_percent_encoded_form(town_hall: Served, contact: str) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in contact.encode())
    record = {"contactId": contact, "phoneNumber": "1", "approvedAt": 1, "approvedBy": "test", "tier": "standard"}
    await put(town_hall.store.client, keys.approved(contact), record)
    async with town_hall.local() as client:
        answer = await client.patch(f"/api/pairing/approved/{encoded}", json={"tier": "trusted"})
    assert answer.json()["contactId"] == contact


async def test_what_does_not_fit_is_named_and_never_repeated(town_hall: Served) -> None:
    canary = "canary-7391"
    bodies: list[object] = [
        {"tier": canary},
        {"notes": 1, "tier": "trusted"},
        {canary: 1},
        {"notes": canary * 100},
        [canary],
        canary,
        17,
    ]
    async with town_hall.local() as client:
        answers = [await client.post("/api/pairing/local:ben", json=body) for body in bodies]
        answers += [
            await client.post("/api/pairing/local:ben", content=raw, headers={"content-type": "application/json"})
            for raw in (
                f'{{"{canary}'.encode(),
                b"\xff\xfe" + canary.encode(),
                b'{"notes": ' + b"9" * 5000 + b"}",
                b'{"tier": NaN}',
            )
        ]
        answers.append(await client.get("/api/pairing/approved", params={"tier": canary}))
        surrogate = rb'{"notes": "\ud800"}'
        answers.append(await client.post("/api/pairing/local:ben", content=surrogate, headers={"content-type": "application/json"}))
    assert [each.status_code for each in answers] == [422] * len(answers)
    assert [canary in each.text for each in answers] == [False] * len(answers)
    assert {tuple(each.json()) for each in answers} == {("error",)}
    assert {tuple(sorted(each.json()["error"])) for each in answers} == {("code", "fix", "message")}
    assert answers[0].json()["error"]["message"] == "body.tier takes trusted, standard or restricted."


async def test_a_corrupt_record_hides_nobody_and_is_left_as_it_is(town_hall: Served) -> None:
    client = town_hall.store.client
    await client.set(keys.approved("local:eve"), "{")
    await client.zadd(keys.INDEX_APPROVED, {"local:eve": 5})
    async with town_hall.local() as caller:
        said = (await caller.get("/api/pairing/approved")).json()
        answer = await caller.patch("/api/pairing/approved/local:eve", json={"tier": "trusted"})
    assert [each["contactId"] for each in said["contacts"]] == ["local:anna"]
    assert [each["code"] for each in said["errors"]] == ["corrupt_record"]
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "corrupt_record")
    assert await client.get(keys.approved("local:eve")) == b"{"


async def test_hostile_names_reach_no_terminal(town_hall: Served) -> None:
    name = "\x1b]52;c;ZXZpbA==\x07\u202eevil\x9b2J\x7f"
    record = {"contactId": "local:eve", "phoneNumber": name, "displayName": name, "notes": name, "approvedBy": name}
    await put(town_hall.store.client, keys.approved("local:eve"), {**record, "approvedAt": 1, "tier": "standard"})
    await town_hall.store.client.zadd(keys.INDEX_APPROVED, {"local:eve": 5})
    async with town_hall.local() as client:
        answer = await client.get("/api/pairing/approved", params={"search": "evil"})
    assert [each["displayName"] for each in answer.json()["contacts"]] == ["]52;c;ZXZpbA==evil2J"]
    assert [byte for byte in answer.content if not 0x20 <= byte < 0x7F] == []


async def test_what_the_store_cannot_do_now_is_said_with_a_time_to_try_again(town_hall: Served) -> None:
    await town_hall.store.client.config_set("maxmemory", 1)
    try:
        async with town_hall.local() as client:
            answer = await client.post("/api/pairing/local:ben")
            bulk = await client.post("/api/pairing/bulk", json={"action": "approve", "contactIds": ["local:ben", "local:anna"]})
    finally:
        await town_hall.store.client.config_set("maxmemory", 0)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_out_of_memory")
    assert timedelta(0) < timedelta(seconds=int(answer.headers["retry-after"]))
    assert [each["error"]["code"] for each in bulk.json()["results"]] == ["store_out_of_memory"] * 2


async def test_what_is_not_there_can_neither_be_browsed_nor_redirected_to(served: Served) -> None:
    async with served.local() as client:
        missing = [
            (await client.get(path)).status_code for path in ("/docs", "/redoc", "/", "/api/pairing/", "/api", "/api//pairing")
        ]
        wrong = await client.put("/api/pairing")
        head = await client.head("/api/pairing")
    assert missing == [404] * 6
    assert (wrong.status_code, wrong.json()["error"]["code"], "GET" in wrong.headers["allow"]) == (405, "method_not_allowed", True)
    assert head.status_code == 405


async def put(client: Redis, key: str, record: dict[str, object]) -> None:
    import json

    await client.set(key, json.dumps(record))


ANNA = ContactId("local:anna")


async def test_a_draft_is_read_written_anew_sent_and_dropped(town: Town, serve: Serve) -> None:
    await town.let_in("anna")
    first = await town.drafts.suggest(ANNA, "local", "see you at eight")
    second = await town.drafts.suggest(ANNA, "local", "Traceback\u202e", fault="error_text")
    async with serve() as served, served.local() as client:
        listed = (await client.get("/api/drafts")).json()
        assert [(each["id"], each["texts"], each["fault"]) for each in listed["drafts"]] == [
            (first, ["see you at eight"], ""),
            (second, ["Traceback"], "error_text"),
        ]
        assert (listed["unreadable"], listed["drafts"][0]["reason"], listed["drafts"][0]["contactId"]) == (0, "agent", ANNA)
        edited = await client.patch(f"/api/drafts/{first[:6]}", json={"text": "nine\n\nsharp"})
        assert (edited.status_code, edited.json()["texts"]) == (200, ["nine\n\nsharp"])
        refused = await client.post(f"/api/drafts/{second}/send")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "unfit")
        sent = await client.post(f"/api/drafts/{first}/send")
        assert sent.json() == {"id": first, "contactId": ANNA, "outcome": "sent"}
        dropped = await client.delete(f"/api/drafts/{second}")
        assert dropped.json()["outcome"] == "dropped"
        assert (await client.get("/api/drafts")).json() == {"drafts": [], "unreadable": 0}
        for method, path in (("GET", ""), ("PATCH", ""), ("POST", "/send"), ("DELETE", "")):
            answer = await client.request(method, f"/api/drafts/{first}{path}", json={"text": "x"} if method == "PATCH" else None)
            assert (method, answer.status_code) == (method, 404)
    await town.deliver()
    assert town.channel.texts(ANNA) == ["nine\n\nsharp"]


async def test_what_is_no_draft_and_what_are_no_words_is_refused(town: Town, serve: Serve) -> None:
    await town.let_in("anna")
    reply = await town.drafts.suggest(ANNA, "local", "hi")
    async with serve() as served, served.local() as client:
        assert (await client.get("/api/drafts/zz..")).status_code == 422
        for body in ({"text": ""}, {"text": "x" * 16_001}, {"words": "x"}, {}):
            assert (await client.patch(f"/api/drafts/{reply}", json=body)).status_code == 422
        assert (await client.patch(f"/api/drafts/{reply}", json={"text": "\u200b"})).status_code == 422
        await town.control.kill()
        assert (await client.post(f"/api/drafts/{reply}/send")).status_code == 409


HEALTH = request("GET", "/health", ("Host", "localhost"))


@pytest.mark.parametrize("trouble", ["the web framework cannot be imported", "something else has the socket's name"])
async def test_a_gateway_without_its_api_answers_its_contacts(home: Path, trouble: str) -> None:
    write_config(home)
    env = {}
    if trouble.startswith("the web"):
        (home / "broken" / "fastapi").mkdir(parents=True)
        (home / "broken" / "fastapi" / "__init__.py").write_text("raise RuntimeError('broken')")
        env["PYTHONPATH"] = os.pathsep.join([str(home / "broken"), *filter(None, [os.environ.get("PYTHONPATH")])])
    else:
        settings_of(home).places.api_socket.mkdir(parents=True)
    with GatewayProcess(home, **env) as gateway:
        event = "api_crashed" if env else "api_not_listening"
        if env:  # it is imported for whoever calls first, who is told nothing
            await eventually(settings_of(home).places.api_socket.exists)
            reader, writer = await asyncio.open_unix_connection(settings_of(home).places.api_socket)
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
        await eventually(lambda: logged(home, event))
        async with contact(home, "anna") as anna:
            anna.say("hello?")
            assert "share this code" in (await until(anna, "message"))[0].text
        gateway.kill(signal.SIGTERM)
        assert await gateway.ended() == 0
    assert len(logged(home, event)) == 1


async def test_health_is_red_while_the_store_does_not_answer_and_green_when_it_does(home: Path) -> None:
    write_config(home, "[store]\ntimeout_s = 0.3\n")
    path = settings_of(home).places.api_socket
    with GatewayProcess(home):
        await eventually(path.exists)
        assert (await ask(path, HEALTH)).status == 200
        (server,) = server_pids(home)
        os.kill(server, signal.SIGSTOP)
        try:
            red = await eventually(lambda: _health(path, 503))
        finally:
            os.kill(server, signal.SIGCONT)
        await eventually(lambda: _health(path, 200))
    assert red == b'{"status":"unavailable","store":"down","gateway":"ready","channels":{"local":"connected"}}'


async def _health(path: Path, status: int) -> bytes | None:
    answer = await ask(path, HEALTH)
    return answer.body if answer.status == status else None


async def test_however_many_ask_for_the_health_the_store_is_asked_twice_a_second() -> None:
    clock, asked, works = FakeClock(), 0, True

    async def ask_the_store() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        if not works:
            raise UnavailableError("store_slow", "The store did not answer.")

    pulse = StoreProbe(ask_the_store, clock)
    assert await asyncio.gather(*(pulse.beats() for _ in range(100))) == [True] * 100
    works = False
    clock.move(0.4)
    assert await pulse.beats()
    clock.move(0.2)
    assert await asyncio.gather(*(pulse.beats() for _ in range(100))) == [False] * 100
    assert asked == 2
