"""What became of a message, for a person and for a script."""

import asyncio
import json

from fakes.process import command
from fakes.town import Town

from secondme.core.clock import from_ms, rfc3339
from secondme.core.enums import Tier
from secondme.core.gateway.trace_messages import found_by
from secondme.core.ids import ContactId
from secondme.core.memory.messages import MemoryMessage
from secondme.core.messages import Composed

SCHEMA = "secondme.trace/1"


async def traced(town: Town, redis_url: str, *words: str) -> dict[str, object]:
    """What `secondme trace` says in JSON."""

    result = await asyncio.to_thread(command, town.setup.places.config, "trace", *words, "--json", SECONDME_REDIS_URL=redis_url)
    envelope = json.loads(result.stdout)
    assert envelope["schema"] == SCHEMA
    return dict(envelope["data"])


async def test_every_stage_of_a_message_is_told_with_its_time_and_reason(town: Town, redis_url: str) -> None:
    await town.let_in("anna", Tier.RESTRICTED)
    await town.writes("anna", "when shall we meet?", message_id="m-1")
    waits = await traced(town, redis_url, "m-1")
    assert (waits["waiting"], waits["by"], waits["stages"]) == ("queued", "contact", [])
    await town.work()
    ((draft,), _) = await town.drafts.waiting()
    await town.drafts.edit(draft.id, "At eight.")
    await town.drafts.send(draft.id)
    await town.deliver()
    found = await traced(town, redis_url, "m-1", "--contact", "Anna")
    stages = found["stages"]
    assert isinstance(stages, list)
    assert [each["stage"] for each in stages] == ["begun", "composed", "held", "edited", "released", "sent"]
    assert (found["waiting"], found["contactId"]) == (None, "local:anna")
    facts = stages[1]["facts"]
    assert (facts["route"], facts["by"], facts["attempts"]) == ("substantive", "rules", 1)
    assert stages[2]["facts"]["reason"] == "tier"
    assert "shall we meet" not in json.dumps(stages)


async def test_a_message_that_got_no_answer_says_why(town: Town, redis_url: str) -> None:
    await town.let_in("anna")
    await town.control.pause_channel("local")
    await town.writes("anna", "still there?", message_id="m-1")
    await town.control.resume_channel("local")
    await town.writes("anna", "hello?", message_id="m-2")
    await town.writes("anna", "I am here now", from_me=True, message_id="m-3")
    town.model.script = lambda _: Composed("")
    listed = await traced(town, redis_url, "--contact", "local:anna")
    messages = listed["messages"]
    assert isinstance(messages, list)
    assert [(each["messageId"], each["by"], each["stage"]) for each in messages] == [
        ("m-1", "contact", "paused"),
        ("m-2", "contact", "taken_over"),
        ("m-3", "you", "taken_over"),
    ]


async def test_a_person_reads_it_in_words(town: Town, redis_url: str) -> None:

    await town.let_in("anna")
    await town.writes("anna", "ok 👍", message_id="m-1")
    await town.work()
    await town.deliver()
    result = await asyncio.to_thread(command, town.setup.places.config, "trace", "m-1", SECONDME_REDIS_URL=redis_url)
    said = result.stdout
    for words in ("contact wrote it", "a worker took it up", "small talk (", "by the rules", "the reply was sent"):
        assert words in said, said


async def test_what_was_remembered_for_a_reply_is_named_and_not_quoted(town: Town, redis_url: str) -> None:
    await town.let_in("anna")
    anna = ContactId("local:anna")
    await town.services.memory_keeper.remember(
        anna, [MemoryMessage("old", 1_700_000_000_000, "contact", "the ferry leaves at noon")]
    )
    await town.writes("anna", "when does the ferry leave, do you remember?", message_id="m-1")
    await town.work()
    found = await traced(town, redis_url, "m-1")
    stages = found["stages"]
    assert isinstance(stages, list)
    (facts,) = [each["facts"]["memory"] for each in stages if "memory" in each["facts"]]
    assert (facts["found"], facts["messages"]) == (1, ["old"])
    shown = await asyncio.to_thread(command, town.setup.places.config, "trace", "m-1", SECONDME_REDIS_URL=redis_url)
    assert f"1 remembered message (by {found_by(facts['why'])})" in " ".join(shown.stdout.split())
    assert "noon" not in shown.stdout + json.dumps(found)


async def test_the_list_says_of_what_nobody_took_up_yet_why_it_waits(town: Town, redis_url: str) -> None:
    await town.let_in("anna")
    await town.writes("anna", "when shall we meet?", message_id="m-1")
    listed = await traced(town, redis_url, "--contact", "anna")
    (message,) = listed["messages"]  # type: ignore[misc]
    assert (message["stage"], message["waiting"]) == (None, "queued")
    await town.work()
    listed = await traced(town, redis_url, "--contact", "anna")
    (message,) = listed["messages"]  # type: ignore[misc]
    assert (message["stage"], message["waiting"]) == ("answered", None)


async def test_what_of_a_message_is_kept_is_named_with_the_end_of_its_time(town: Town, redis_url: str) -> None:
    await town.let_in("anna")
    await town.writes("anna", "listen", message_id="m-1")
    await town.writes("anna", "and look", message_id="m-2")
    now_ms = await town.control.now_ms()
    for number, mime in ((1, "image/jpeg"), (0, "audio/ogg")):
        town.services.shelf.keep("local:anna", "m-1", number, b"x", mime, now_ms=now_ms, expires_s=number and 3600)
    files = town.services.shelf.find("local:anna", "m-1")
    week_ms = int(town.setup.settings.attachments.keep_days * 86_400_000)
    ends = [rfc3339(from_ms((now_ms + lasts) // 1000 * 1000)) for lasts in (week_ms, 3_600_000)]
    found = await traced(town, redis_url, "m-1")
    assert found["kept"] == [{"file": str(files[number]), "until": ends[number]} for number in (0, 1)]
    assert (await traced(town, redis_url, "m-2"))["kept"] == []
    said = await asyncio.to_thread(command, town.setup.places.config, "trace", "m-1", SECONDME_REDIS_URL=redis_url)
    assert said.stdout.splitlines()[-2:] == [f"kept: {files[number]} until {ends[number]}" for number in (0, 1)]


async def test_an_id_of_ours_is_shown_short_and_its_beginning_is_enough(town: Town, redis_url: str) -> None:
    await town.let_in("anna")
    ids = ["3fa1" + "0" * 28, "3fa2" + "0" * 28, "wamid.HBgLNDkx=="]
    for identity in ids:
        await town.writes("anna", "hello", message_id=identity)

    async def said(*words: str) -> tuple[int, str]:
        done = await asyncio.to_thread(
            command, town.setup.places.config, "trace", *words, "--contact", "anna", SECONDME_REDIS_URL=redis_url
        )
        return done.returncode, done.stdout + done.stderr

    code, text = await said()
    assert code == 0
    assert [each in text for each in ("3fa10000 ", "3fa10000\n", ids[0], ids[2])] in (
        [True, False, False, True],
        [False, True, False, True],
    )
    assert (await traced(town, redis_url, "3fa10000", "--contact", "anna"))["messageId"] == ids[0]
    assert (await traced(town, redis_url, "wamid", "--contact", "anna"))["messageId"] == ids[2]
    code, text = await said("3fa")
    assert (code, "2 messages have an id that begins so. Type more of it." in text) == (65, True)
    assert (await said("none"))[0] == 65
