"""Who talks, what was said, and the owner writing as themselves, by HTTP."""

import pytest
from api.serving import Served
from fakes.town import Town

from secondme.core.ids import ContactId
from secondme.core.messages import Admission
from secondme.core.store import keys

ANNA, BEN = ContactId("local:anna"), ContactId("local:ben")


@pytest.fixture
async def town(served: Served, town: Town) -> Town:
    """Anna and Ben are let in; Ben wrote last."""
    del served
    await town.let_in("anna")
    await town.let_in("ben")
    await town.writes("anna", "shall we meet?")
    await town.writes("ben", "the invoice, please")
    return town


async def test_the_newest_word_is_on_top_with_what_is_not_over(served: Served, town: Town) -> None:
    await town.work()
    await town.deliver()
    await town.control.pause(ANNA, None)
    async with served.local() as client:
        said = (await client.get("/api/conversations")).json()
        found = (await client.get("/api/conversations", params={"search": "ANN"})).json()["conversations"]
    ben, anna = said["conversations"] if said["conversations"][0]["contactId"] == BEN else reversed(said["conversations"])
    assert {each["contactId"] for each in said["conversations"]} == {ANNA, BEN}
    assert (ben["newest"]["by"], ben["newest"]["text"]) == ("clone", "re: the invoice, please")
    assert (ben["tier"], ben["mode"], ben["pause"], ben["drafts"], ben["stands"]) == (
        "standard",
        "auto",
        None,
        0,
        {"concern": "over", "words": ""},
    )
    assert (anna["pause"]["reason"], anna["stands"]) == ("manual", {"concern": "paused", "words": "paused"})
    assert [each["contactId"] for each in found] == [ANNA]


async def test_pages_follow_one_another_and_name_everybody_once(served: Served, town: Town) -> None:
    for number in range(5):
        await town.let_in(f"c{number}")
    seen: list[str] = []
    async with served.local() as client:
        before, pages = "", 0
        while True:
            page = (await client.get("/api/conversations", params={"limit": 2, "before": before})).json()
            seen += [each["contactId"] for each in page["conversations"]]
            pages += 1
            if page["following"] is None:
                break
            before = page["following"]
        wrong = await client.get("/api/conversations", params={"before": "yesterday"})
    assert pages == 4
    assert sorted(seen) == sorted([ANNA, BEN, *(f"local:c{number}" for number in range(5))])
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "bad_place")


async def test_a_conversation_says_what_was_said_what_became_of_it_and_what_waits(served: Served, town: Town) -> None:
    async with served.local() as client:
        waiting = (await client.get(f"/api/conversations/{ANNA}")).json()
        await town.work()
        await town.deliver()
        done = (await client.get(f"/api/conversations/{ANNA}")).json()
        newest = (await client.get(f"/api/conversations/{ANNA}", params={"limit": 1})).json()
        older = (await client.get(f"/api/conversations/{ANNA}", params={"before": newest["turns"][0]["id"]})).json()
        nobody = [await client.get(f"/api/conversations/{who}") for who in ("local:nobody", "no id!", "ALL")]
    assert [each["text"] for each in waiting["waiting"]] == ["shall we meet?"]
    assert waiting["waiting"][0]["remarks"] == [{"words": "waiting: in the queue", "urgent": True}]
    assert [(each["by"], each["text"]) for each in done["turns"]] == [
        ("contact", "shall we meet?"),
        ("clone", "re: shall we meet?"),
    ]
    assert (done["waiting"], done["unsent"], done["drafts"], done["pause"]) == ([], [], [], None)
    assert [each["by"] for each in newest["turns"]] == ["clone"]
    assert [each["by"] for each in older["turns"]] == ["contact"]
    assert [each.status_code for each in nobody] == [404, 404, 404]


async def test_the_owner_writes_as_themselves_and_the_clone_is_silent(served: Served, town: Town) -> None:
    async with served.local() as client:
        taken = await client.post(f"/api/conversations/{ANNA}/messages", json={"text": "I am\n\non my way"})
        shown = (await client.get(f"/api/conversations/{ANNA}")).json()
        await town.work()
        await town.deliver()
        sent = (await client.get(f"/api/conversations/{ANNA}")).json()
    assert (taken.status_code, taken.json()["outcome"], len(taken.json()["rowIds"])) == (202, "queued", 1)
    assert [(each["by"], each["text"]) for each in shown["unsent"]] == [("owner", "I am\n\non my way")]
    assert (shown["pause"]["reason"], shown["waiting"]) == ("fromMe", [])
    assert town.channel.texts(ANNA) == ["I am\n\non my way"]
    assert [(each["by"], each["text"]) for each in sent["turns"]] == [
        ("contact", "shall we meet?"),
        ("owner", "I am\n\non my way"),
    ]
    assert sent["unsent"] == []


async def test_one_key_writes_once_and_stands_for_no_other_words(served: Served, town: Town) -> None:
    path, key = f"/api/conversations/{ANNA}/messages", {"Idempotency-Key": "a"}
    async with served.local() as client:
        first = await client.post(path, json={"text": "yes"}, headers=key)
        again = await client.post(path, json={"text": "yes"}, headers=key)
        other = await client.post(path, json={"text": "no"}, headers=key)
        to_ben = await client.post(f"/api/conversations/{BEN}/messages", json={"text": "yes"}, headers=key)
        await town.deliver()
    assert [first.status_code, again.status_code, other.status_code, to_ben.status_code] == [202, 200, 409, 202]
    assert (again.json(), other.json()["error"]["code"]) == ({"outcome": "already_done", "rowIds": []}, "key_reused")
    assert (town.channel.texts(ANNA), town.channel.texts(BEN)) == (["yes"], ["yes"])


async def test_the_kill_switch_refuses_and_a_pause_does_not(served: Served, town: Town) -> None:
    path = f"/api/conversations/{ANNA}/messages"
    async with served.local() as client:
        await town.control.kill()
        killed = await client.post(path, json={"text": "hello"})
        await town.control.resume(None, unkill=True)
        await town.control.pause(None, None)
        await town.control.pause(ANNA, None)
        await town.control.pause_channel("local")
        paused = await client.post(path, json={"text": "hello"})
        await town.deliver()
        wrong = [await client.post(path, json={"text": text}) for text in ("", " \n", "\u200b", "x" * 16_001)]
        nobody = await client.post("/api/conversations/local:cara/messages", json={"text": "hello"})
    assert (killed.status_code, killed.json()["error"]["code"]) == (409, "killed")
    assert paused.status_code == 202
    assert town.channel.texts(ANNA) == ["hello"]
    assert [each.status_code for each in wrong] == [422, 422, 422, 422]
    assert nobody.status_code == 404


async def test_a_drafts_question_its_end_and_its_reason_are_told(served: Served, town: Town) -> None:
    await town.pairing.edit(ANNA, tier=None, notes=None)
    await served.store.client.set(
        keys.approved(ANNA),
        (await served.store.client.get(keys.approved(ANNA))).replace(b'"tier":"standard"', b'"tier":"restricted"'),
    )
    await town.writes("anna", "and when?")
    await town.work()
    async with served.local() as client:
        (draft,) = (await client.get("/api/drafts")).json()["drafts"]
        one = (await client.get(f"/api/drafts/{draft['id'][:8]}")).json()
        bulk = (await client.post("/api/drafts/bulk", json={"action": "drop", "drafts": [draft["id"], "ffffffff"]})).json()
    assert [(each["text"], each["kind"]) for each in draft["asked"]] == [("shall we meet?", "text"), ("and when?", "text")]
    assert (draft["displayName"], draft["tier"], draft["maySend"], draft["job"], draft["jobName"]) == (
        "Anna",
        "restricted",
        True,
        None,
        None,
    )
    assert draft["why"] == "Replies to this contact need you."
    assert draft["expiresAt"] > draft["heldAt"]
    assert one == draft
    assert [each.get("outcome") or each["error"]["code"] for each in bulk["results"]] == ["dropped", "not_found"]


async def test_invites_are_listed_and_cancelled(served: Served, town: Town) -> None:
    async with served.local() as client:
        made = (await client.post("/api/pairing/invites", json={"name": "Dora", "tier": "trusted"})).json()
        (listed,) = (await client.get("/api/pairing/invites")).json()["invites"]
        gone = await client.delete(f"/api/pairing/invites/{made['code']}")
        again = await client.delete(f"/api/pairing/invites/{made['code']}")
        none = (await client.get("/api/pairing/invites")).json()
    assert listed == made
    assert (made["name"], made["tier"], made["links"]) == ("Dora", "trusted", {})
    assert (gone.json(), again.status_code, none) == (
        {"code": made["code"], "outcome": "cancelled"},
        404,
        {"invites": [], "errors": []},
    )
    assert await town.writes("dora", made["code"]) is not Admission.QUEUED
    assert not await town.pairing.is_approved(ContactId("local:dora"))
