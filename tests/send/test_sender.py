"""A sender at work on the real store: what leaves, in which order, and what is held back."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.town import Town
from fakes.watching import Ear

from secondme.core.config.loader import Setup, load
from secondme.core.ids import ContactId
from secondme.core.messages import Admission, NotSent, SendOutcome, Sent, Undeliverable, VoiceRefused

ANNA = ContactId("local:anna")
PARTS = [f"{word} " + "x" * 500 for word in ("one", "two", "three")]
QUICK = {"gather_s": 0, "min_s": 0.05, "think_min_s": 0.15, "think_max_s": 0.15, "typing_s_per_character": 0.01}


@pytest.fixture
def setup(redis_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Setup:
    """No night, and no pacing unless the test brings some."""
    pacing = {f"pacing.{name}": value for name, value in getattr(request, "param", {"enabled": False}).items()}
    return load({"redis_url": redis_url, "sleep.enabled": False, **pacing}, {}, home=tmp_path / "home")


async def words(town: Town) -> list[tuple[str, str, str]]:
    return [(turn.role, turn.type, turn.content) for turn in await town.conversation.recent(ANNA, 50)]


def scripted(*outcomes: SendOutcome) -> Any:  # the channel's hook
    waiting = list(outcomes)
    return lambda *_: waiting.pop(0) if waiting else Sent()


async def test_what_was_sent_is_in_the_history_once(town: Town, post: Any) -> None:
    await post.reply("anna", "hi anna")
    async with post.sending():
        await post.until(post.emptied)
    assert await words(town) == [("user", "incoming", "say something"), ("assistant", "outgoing", "hi anna")]
    assert town.channel.texts(ANNA) == ["hi anna"]
    assert len(town.channel.raw) == 1


async def test_a_reply_of_many_messages_leaves_in_order(town: Town, post: Any) -> None:
    await post.reply("anna", *PARTS)
    async with post.sending():
        await post.until(post.emptied)
    assert town.channel.texts(ANNA) == PARTS
    assert [turn[2] for turn in await words(town)] == ["say something", *PARTS]


async def test_a_later_part_waits_for_the_one_before_however_often_it_fails(town: Town, post: Any) -> None:
    await post.reply("anna", *PARTS)
    town.channel.outcome = scripted(Sent(), NotSent("busy", 0.0), NotSent("busy", 0.0))
    async with post.sending():
        await post.until(post.emptied)
    assert [text[:3] for _, text, _ in town.channel.raw] == ["one", "two", "two", "two", "thr"]
    assert town.channel.texts(ANNA) == PARTS


@pytest.mark.parametrize("setup", [QUICK], indirect=True)
async def test_typing_shows_before_the_message_comes(town: Town, post: Any) -> None:
    seen: list[list[str]] = []
    await post.reply("anna", "x" * 30)
    town.channel.outcome = lambda *_: seen.append(list(town.channel.typed)) or Sent()  # type: ignore[func-returns-value]
    async with post.sending():
        await post.until(post.emptied)
    assert seen == [[ANNA]]


@pytest.mark.parametrize("setup", [QUICK], indirect=True)
async def test_a_typing_indicator_that_fails_stops_nothing(town: Town, post: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise OSError

    monkeypatch.setattr(town.channel, "typing", broken)
    await post.reply("anna", "x" * 30)
    async with post.sending():
        await post.until(post.emptied)
    assert town.channel.texts(ANNA) == ["x" * 30]


async def test_what_the_platform_did_not_take_is_tried_again_under_the_same_id(town: Town, post: Any) -> None:
    await post.reply("anna", "hi")
    town.channel.outcome = scripted(NotSent("offline", 0.0), NotSent("offline", 0.0))
    async with post.sending():
        await post.until(post.emptied)
    assert len({client_id for _, _, client_id in town.channel.raw}) == 1
    assert len(town.channel.raw) == 3
    assert town.channel.texts(ANNA) == ["hi"]


async def test_without_a_wish_of_the_platform_each_try_waits_longer(town: Town, post: Any) -> None:
    await post.reply("anna", "hi")
    town.channel.outcome = lambda *_: NotSent("offline")
    for attempt in range(3):
        before = await town.control.now_ms()
        async with post.sending():
            await post.until(lambda tries=attempt + 1: length_is(town, tries))
        ((_, due),) = await town.store.client.zrange("OUTBOX:due:local", 0, -1, withscores=True)
        assert before + 800 * 2**attempt <= due <= await town.control.now_ms() + 1200 * 2**attempt
        await town.store.client.zadd("OUTBOX:due:local", {ANNA: 1})


async def length_is(town: Town, expected: int) -> bool:
    return len(town.channel.raw) == expected


async def test_after_the_last_try_the_whole_reply_is_held(town: Town, post: Any) -> None:
    await post.reply("anna", *PARTS)
    town.channel.outcome = scripted(Sent(), *[NotSent("offline", 0.0)] * 99)
    async with post.sending(max_attempts=3):
        await post.until(post.emptied)
    assert await post.held() == [("undeliverable", PARTS[1]), ("undeliverable", PARTS[2])]
    assert len(town.channel.raw) == 1 + 3
    assert town.channel.texts(ANNA) == PARTS[:1]


async def test_what_is_refused_as_a_voice_note_is_sent_again_under_the_same_id(town: Town, post: Any) -> None:
    await post.reply("anna", "hi")
    town.channel.outcome = scripted(VoiceRefused("voice_forbidden"))
    async with post.sending():
        await post.until(post.emptied)
    assert (await post.held(), town.channel.texts(ANNA)) == ([], ["hi"])
    assert len({row for _, _, row in town.channel.raw}) == 1


async def test_what_the_platform_will_never_take_is_held_at_once(town: Town, post: Any) -> None:
    await post.reply("anna", "hi")
    town.channel.outcome = scripted(Undeliverable("blocked"))
    async with post.sending():
        await post.until(post.emptied)
    assert await post.held() == [("undeliverable", "hi")]
    assert len(town.channel.raw) == 1


async def test_a_prompt_that_cannot_be_sent_is_dropped_and_nobody_is_told_of_a_draft(town: Town, post: Any, ear: Ear) -> None:
    await town.writes("anna", "hello")
    await ear.heard()
    town.channel.outcome = scripted(Undeliverable("blocked"))
    async with post.sending():
        await post.until(post.emptied)
    assert [event for event in await ear.heard() if event.get("type") == "reply_held"] == []
    assert (await post.held(), len(town.channel.raw)) == ([], 1)


def crash(*_: str) -> SendOutcome:
    raise ConnectionError("nobody knows")


async def meet_an_unknown_end(town: Town, post: Any, policy: str, *, same_process: bool) -> None:
    """One reply whose first sending ends in nobody knows what, and whose lease is over then."""
    await post.reply("anna", "hi")
    town.channel.outcome = crash
    async with post.sending(ambiguous=policy) as sender:
        await post.until(lambda: length_is(town, 1))
        town.channel.outcome = None
        if same_process:
            await post.lease_is_over("anna")
            sender.nudge()
            await post.until(post.emptied)
    if not same_process:
        await post.lease_is_over("anna")
        async with post.sending(ambiguous=policy):
            await post.until(post.emptied)


@pytest.mark.parametrize("same_process", [True, False])
async def test_an_unknown_end_is_sent_again_under_the_same_id(town: Town, post: Any, *, same_process: bool) -> None:
    await meet_an_unknown_end(town, post, "resend", same_process=same_process)
    assert len({client_id for _, _, client_id in town.channel.raw}) == 1
    assert (len(town.channel.raw), town.channel.texts(ANNA)) == (2, ["hi"])


@pytest.mark.parametrize("collapses", [True, False])
async def test_by_itself_an_unknown_end_is_sent_again_only_where_one_id_shows_once(
    town: Town, post: Any, *, collapses: bool
) -> None:
    town.channel.manifest = replace(town.channel.manifest, collapses_resends=collapses)
    await meet_an_unknown_end(town, post, "auto", same_process=True)
    assert len(town.channel.raw) == (2 if collapses else 1)
    assert await post.held() == ([] if collapses else [("ambiguous", "hi")])


async def test_a_prompt_that_may_have_been_seen_is_not_sent_again_where_it_would_show_twice(town: Town, post: Any) -> None:
    town.channel.manifest = replace(town.channel.manifest, collapses_resends=False)
    await town.writes("anna", "hello")
    town.channel.outcome = crash
    async with post.sending() as sender:
        await post.until(lambda: length_is(town, 1))
        town.channel.outcome = None
        await post.lease_is_over("anna")
        sender.nudge()
        await post.until(post.emptied)
    assert len(town.channel.raw) == 1
    assert await town.raw_keys("PAIRING:pending:*")


async def test_nothing_is_taken_while_the_channel_is_not_there(town: Town, post: Any) -> None:
    await post.reply("anna", "hi")
    town.channel.is_open = False
    async with post.sending() as sender:
        for _ in range(20):
            sender.nudge()
            await asyncio.sleep(0.01)
        assert town.channel.raw == []
        row = json.loads(await town.store.client.lindex("OUTBOX:local:anna", 0))
        assert row["attempts"] == 0
        town.channel.is_open = True
        sender.nudge()
        await post.until(post.emptied)
    assert town.channel.texts(ANNA) == ["hi"]


@pytest.mark.parametrize("setup", [{**QUICK, "typing_s_per_character": 0.02}], indirect=True)
async def test_the_typing_indicator_is_shown_again_as_often_as_the_platform_forgets_it(town: Town, post: Any) -> None:
    town.channel.manifest = replace(town.channel.manifest, typing_refresh_s=0.1)
    await post.reply("anna", "x" * 40)
    async with post.sending():
        await post.until(post.emptied)
    assert len(town.channel.typed) >= 4
    assert town.channel.texts(ANNA) == ["x" * 40]


@pytest.mark.parametrize("same_process", [True, False])
async def test_an_unknown_end_is_held_when_the_owner_wants_to_be_asked(town: Town, post: Any, *, same_process: bool) -> None:
    await meet_an_unknown_end(town, post, "hold", same_process=same_process)
    assert await post.held() == [("ambiguous", "hi")]
    assert len(town.channel.raw) == 1


async def test_a_send_that_takes_too_long_is_unknown_and_nobody_else_sends_meanwhile(
    town: Town, post: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = Counter[str]()

    async def hang(_who: ContactId, _text: str, client_id: str) -> SendOutcome:
        tries[client_id] += 1
        await asyncio.Event().wait()
        raise AssertionError

    for who in ("anna", "bob"):
        await town.let_in(who)
    for who in ("anna", "bob"):
        await post.reply(who, "hi")
    monkeypatch.setattr(town.channel, "send", hang)
    async with post.sending(timeout_s=0.1), post.sending(timeout_s=0.1):
        await post.until(lambda: counted(tries, 2))
    assert sorted(tries.values()) == [1, 1]
    assert await town.raw_keys("OUTBOX:local:*") == ["OUTBOX:local:anna", "OUTBOX:local:bob"]


async def counted(tries: Counter[str], expected: int) -> bool:
    return tries.total() >= expected


async def test_a_contact_who_cannot_be_reached_blocks_nobody(town: Town, post: Any) -> None:
    others = [f"other{number}" for number in range(10)]
    for who in ("anna", "carl", *others):
        await town.let_in(who)
    for who in ("anna", "carl", *others):
        await post.reply(who, f"hi {who}")

    def outcome(who: str, _text: str, _client_id: str) -> SendOutcome:
        if who == "local:carl":
            raise ValueError
        return NotSent("offline", 99.0) if who == ANNA else Sent()

    town.channel.outcome = outcome
    async with post.sending(concurrency=2):
        await post.until(lambda: shown_are(town, len(others)))
    assert sorted(who for who, _ in town.channel.shown.values()) == sorted(f"local:{who}" for who in others)
    assert await town.raw_keys("OUTBOX:local:*") == ["OUTBOX:local:anna", "OUTBOX:local:carl"]


async def shown_are(town: Town, expected: int) -> bool:
    return len(town.channel.shown) >= expected


@pytest.mark.parametrize("switch", ["pause", "pause all", "kill"])
async def test_a_switch_between_composing_and_sending_holds_the_reply(town: Town, post: Any, switch: str) -> None:
    await post.reply("anna", *PARTS)
    if switch == "kill":
        await town.control.kill()
    else:
        await town.control.pause(ANNA if switch == "pause" else None, timedelta(minutes=5))
    async with post.sending():
        await post.until(post.emptied)
    assert await post.held() == [("paused", part) for part in PARTS]
    assert town.channel.raw == []


async def test_a_switch_between_two_parts_holds_the_rest(town: Town, post: Any) -> None:
    await post.reply("anna", *PARTS)
    pausing = asyncio.Event()

    def outcome(*_: str) -> SendOutcome:
        pausing.set()
        return NotSent("wait for the pause", 0.0) if len(town.channel.raw) == 2 else Sent()

    town.channel.outcome = outcome
    async with post.sending():
        await pausing.wait()
        await town.control.kill()
        await post.until(post.emptied)
    assert len(town.channel.texts(ANNA)) + len(await post.held()) == 3
    assert [text for _, text in await post.held()] == PARTS[len(town.channel.texts(ANNA)) :]


async def test_a_held_reply_leaves_when_the_owner_releases_it(town: Town, post: Any) -> None:
    await post.reply("anna", *PARTS)
    await town.control.kill()
    async with post.sending():
        await post.until(post.emptied)
    await town.control.resume(None, unkill=True)
    ((draft,), _) = await town.drafts.waiting()
    await town.drafts.send(draft.id)
    async with post.sending():
        await post.until(post.emptied)
    assert town.channel.texts(ANNA) == PARTS


async def test_a_revoked_contacts_reply_is_dropped(town: Town, post: Any) -> None:
    await post.reply("anna", "hi")
    await town.owner.revoke(ANNA)
    async with post.sending():
        await post.until(post.emptied)
    assert (town.channel.raw, await post.held(), await words(town)) == ([], [], [])


async def test_a_reply_that_leaves_while_its_contact_is_revoked_stays_out_of_the_history(town: Town, post: Any) -> None:
    await post.reply("anna", "hi")
    (contact,), _ = await town.outbox.due("local", 9)
    step = await town.outbox.take(contact, "local", "s")
    await town.owner.revoke(ANNA)
    assert await town.outbox.sent(step, "native") == "stale"
    assert await town.raw_keys("HISTORY:*") == []


async def test_when_the_owner_speaks_the_waiting_reply_is_dropped(town: Town, post: Any) -> None:
    await post.reply("anna", *PARTS)
    assert await town.writes("anna", "I am here myself", from_me=True) is Admission.TAKEN_OVER
    async with post.sending():
        await post.until(post.emptied)
    assert (town.channel.raw, await post.held()) == ([], [])
    assert await words(town) == [("user", "incoming", "say something"), ("assistant", "fromMe", "I am here myself")]
    pause = await town.control.contact_pause(ANNA)
    assert pause is not None
    assert (pause.reason, await town.writes("anna", "oh, hello")) == ("fromMe", Admission.PAUSED)


@pytest.mark.parametrize("native", ["", "platform-7"])
async def test_the_echo_of_our_own_message_is_no_takeover(town: Town, post: Any, native: str) -> None:
    town.channel.outcome = None
    await post.reply("anna", "hi")
    (contact,), _ = await town.outbox.due("local", 9)
    step = await town.outbox.take(contact, "local", "s")
    row_id = step.row.row_id  # type: ignore[union-attr]
    assert await town.writes("anna", "hi", from_me=True, message_id=row_id) is Admission.OWN_ECHO
    await town.outbox.sent(step, native)
    for echo in filter(None, (row_id, native)):
        assert await town.writes("anna", "hi", from_me=True, message_id=echo) is Admission.OWN_ECHO
    assert await town.control.contact_pause(ANNA) is None
    assert [turn[1:] for turn in await words(town)] == [("incoming", "say something"), ("outgoing", "hi")]


async def test_two_senders_of_one_channel_send_each_row_once(town: Town, post: Any) -> None:
    people = [f"p{number}" for number in range(20)]
    for who in people:
        await town.let_in(who)
    for who in people:
        await post.reply(who, *PARTS)
    async with post.sending(), post.sending():
        await post.until(post.emptied)
    assert [town.channel.texts(f"local:{who}") for who in people] == [PARTS] * len(people)
    assert len(town.channel.raw) == 3 * len(people)


async def test_a_row_that_cannot_be_read_is_put_aside_and_the_next_one_leaves(town: Town, post: Any) -> None:
    await post.reply("anna", "hi")
    await town.store.client.lpush("OUTBOX:local:anna", b"{broken")
    async with post.sending():
        await post.until(post.emptied)
    assert town.channel.texts(ANNA) == ["hi"]
    assert len((await town.draft_store.held())[1]) == 1


async def test_stopping_finishes_what_is_being_sent(town: Town, post: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()

    async def slow(_who: ContactId, _text: str, client_id: str) -> SendOutcome:
        begun.set()
        await finish.wait()
        return Sent(client_id)

    await post.reply("anna", "hi")
    monkeypatch.setattr(town.channel, "send", slow)
    async with post.sending():
        await begun.wait()
        asyncio.get_running_loop().call_later(0.05, finish.set)
    assert await post.emptied()
    assert (await words(town))[-1] == ("assistant", "outgoing", "hi")
