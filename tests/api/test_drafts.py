"""Drafts over HTTP: the same decisions as everywhere else."""

from api.serving import Serve
from fakes.town import Town

from secondme.core.ids import ContactId

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
