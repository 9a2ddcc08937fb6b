"""What waits for the owner: held, listed, written anew, sent, dropped, expired, and made pointless by newer words."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fakes.town import Town
from fakes.watching import Ear
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.admit.store import ContactChoices
from secondme.core.config.models import PacingSettings
from secondme.core.enums import ReplyMode, Tier
from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.gateway.store import TraceStore
from secondme.core.ids import ContactId
from secondme.core.messages import Admission, Composed
from secondme.core.queue.worker import Answered, Deferred
from secondme.core.records import Burst
from secondme.core.send.drafts import Draft
from secondme.core.send.pacing import gathering_s
from secondme.core.store import keys

ANNA = ContactId("local:anna")


async def drafted(town: Town, text: str = "see you at eight", *, says: str = "when shall we meet tonight?") -> Draft:
    """A draft for Anna, whose every reply needs the owner."""
    if not await town.raw_keys("PAIRING:approved:local:anna"):
        await town.let_in("anna", Tier.RESTRICTED)
    town.model.script = lambda _: Composed(text)
    await town.writes("anna", says)
    assert await town.work() == ["answered"]
    return (await town.drafts.waiting())[0][-1]


async def stages(town: Town) -> list[str]:
    return [each.stage for each in await TraceStore(town.store).of_contact(ANNA)]


async def age_drafts(town: Town, hours: float) -> None:
    """Held so long ago."""
    for raw in await town.store.client.lrange(keys.held(ANNA), 0, -1):
        moment = int(raw.rpartition(b'"heldAt":')[2].rstrip(b"}"))
        older = raw.replace(str(moment).encode(), str(moment - int(hours * 3_600_000)).encode())
        await town.store.client.lrem(keys.held(ANNA), 1, raw)
        await town.store.client.rpush(keys.held(ANNA), older)


async def test_a_draft_says_who_it_is_for_and_why_it_waits(town: Town) -> None:
    draft = await drafted(town)
    assert (draft.contact_id, draft.reason, draft.fault, draft.texts) == (ANNA, "tier", "", ("see you at eight",))
    assert await town.drafts.find(draft.id[:6]) == draft
    for reference in ("", draft.id[:3], "ffffffff"):
        with pytest.raises(NotFoundError):
            await town.drafts.find(reference)


async def test_a_sent_draft_leaves_once_and_is_no_draft_any_more(town: Town) -> None:
    draft = await drafted(town)
    await town.drafts.send(draft.id)
    with pytest.raises(NotFoundError):
        await town.drafts.send(draft.id)
    await town.deliver()
    assert town.channel.texts(ANNA) == ["see you at eight"]
    assert await stages(town) == ["begun", "composed", "held", "released", "sent"]


async def test_what_the_owner_writes_anew_is_what_leaves(town: Town) -> None:
    draft = await drafted(town)
    edited = await town.drafts.edit(draft.id, "Nine.\u202e \x1b[31m\n\nAt yours?")
    assert (edited.texts, edited.answers, edited.held_at) == (("Nine. [31m\n\nAt yours?",), draft.answers, draft.held_at)
    await town.drafts.send(draft.id)
    await town.deliver()
    assert town.channel.texts(ANNA) == ["Nine. [31m\n\nAt yours?"]


async def test_a_draft_without_words_is_none(town: Town) -> None:
    draft = await drafted(town)
    with pytest.raises(DataError):
        await town.drafts.edit(draft.id, " \u200b\n")
    assert (await town.drafts.find(draft.id)).texts == draft.texts


async def test_a_dropped_draft_is_never_sent(town: Town) -> None:
    draft = await drafted(town)
    await town.drafts.drop(draft.id)
    with pytest.raises(NotFoundError):
        await town.drafts.send(draft.id)
    assert (await town.deliver(), await town.raw_keys("HELD:*")) == ([], [])


@pytest.mark.parametrize("switch", ["pause", "everybody", "kill", "channel"])
async def test_a_draft_is_not_sent_while_its_contact_is_not_answered(town: Town, switch: str) -> None:
    draft = await drafted(town)
    match switch:
        case "pause":
            await town.control.pause(ANNA, None)
        case "everybody":
            await town.control.pause(None, None)
        case "kill":
            await town.control.kill()
        case _:
            await town.control.pause_channel("local")
    with pytest.raises(BusyError) as caught:
        await town.drafts.send(draft.id)
    assert caught.value.code == "paused"
    assert (await town.deliver(), (await town.drafts.waiting())[0]) == ([], [draft])


async def test_a_pause_between_sending_and_leaving_holds_it_again(town: Town) -> None:
    draft = await drafted(town)
    await town.drafts.send(draft.id)
    await town.control.pause(ANNA, None)
    assert await town.deliver() == ["held"]
    assert [each.reason for each in (await town.drafts.waiting())[0]] == ["paused"]


async def test_a_draft_for_somebody_who_was_revoked_is_gone(town: Town) -> None:
    draft = await drafted(town)
    await town.owner.revoke(ANNA)
    with pytest.raises(NotFoundError):
        await town.drafts.send(draft.id)


async def test_nobody_sees_an_expired_draft_and_its_end_is_said_once(town: Town, ear: Ear) -> None:
    draft = await drafted(town)
    await age_drafts(town, 47.9)
    assert await town.draft_store.expire() == 0
    await age_drafts(town, 0.2)
    assert (await town.drafts.waiting())[0] == []
    for attempt in (town.drafts.send, town.drafts.drop):
        with pytest.raises(NotFoundError):
            await attempt(draft.id)
    assert [await town.draft_store.expire(), await town.draft_store.expire()] == [1, 0]
    assert [each["type"] for each in await ear.heard() if each["channel"] == "events:queue"].count("draft_expired") == 1
    assert (await stages(town))[-1] == "expired"
    assert await town.raw_keys("HELD:*") == []


async def test_a_newer_reply_takes_the_place_of_a_draft_that_nobody_sent(town: Town) -> None:
    await drafted(town, "first")
    newer = await drafted(town, "second", says="are you there? when?")
    assert [each.texts for each in (await town.drafts.waiting())[0]] == [("second",)]
    assert newer.texts == ("second",)
    assert "superseded" in await stages(town)


async def test_what_may_have_gone_out_waits_on_beside_newer_words(town: Town) -> None:
    first = await drafted(town, "first")
    await town.drafts.suggest(ANNA, "local", "happy birthday")
    await town.store.client.lset(
        keys.held(ANNA), 0, (await town.store.client.lindex(keys.held(ANNA), 0)).replace(b'"tier"', b'"ambiguous"')
    )
    await drafted(town, "second", says="when?")
    assert [each.texts for each in (await town.drafts.waiting())[0]] == [first.texts, ("second",)]


async def test_the_owners_own_words_make_every_draft_pointless_also_what_was_ordered(town: Town) -> None:
    await drafted(town, "first")
    await town.drafts.suggest(ANNA, "local", "happy birthday")
    assert await town.writes("anna", "happy birthday, dear", from_me=True) is Admission.TAKEN_OVER
    assert (await town.drafts.waiting())[0] == []


async def test_what_the_owner_wrote_themselves_is_not_taken_from_them_by_newer_words(town: Town) -> None:
    mine = await drafted(town, "first")
    await town.drafts.edit(mine.id, "my own words")
    await drafted(town, "second", says="are you there? when?")
    assert [each.texts for each in (await town.drafts.waiting())[0]] == [("my own words",), ("second",)]
    await town.writes("anna", "I am on my way", from_me=True)
    assert [each.texts for each in (await town.drafts.waiting())[0]] == [("my own words",)]


async def test_words_for_somebody_who_was_not_let_in_are_kept_nowhere(town: Town) -> None:
    with pytest.raises(NotFoundError):
        await town.drafts.suggest(ContactId("local:stranger"), "local", "hello")
    assert await town.raw_keys("HELD:*") == []


async def test_a_draft_with_a_fault_is_sent_only_in_the_owners_own_words(town: Town) -> None:
    await town.let_in("anna")
    reply = await town.drafts.suggest(ANNA, "local", "Traceback (most recent call last)", fault="error_text")
    with pytest.raises(BusyError) as caught:
        await town.drafts.send(reply)
    assert caught.value.code == "unfit"
    await town.drafts.edit(reply, "Sorry, later!")
    await town.drafts.send(reply)
    await town.deliver()
    assert town.channel.texts(ANNA) == ["Sorry, later!"]


@pytest.mark.parametrize(
    ("mode", "done", "kept", "sent"),
    [
        (ReplyMode.AUTO, ["answered"], True, 1),
        (ReplyMode.DRAFT, ["answered"], True, 0),
        (ReplyMode.OBSERVE, [], True, 0),
        (ReplyMode.OFF, [], False, 0),
    ],
)
async def test_the_mode_of_a_contact_decides_over_its_tier(
    town: Town, mode: ReplyMode, done: list[str], sent: int, *, kept: bool
) -> None:
    await town.let_in("anna", Tier.RESTRICTED if mode is ReplyMode.AUTO else Tier.TRUSTED)
    await ContactChoices(town.store).set_mode(ANNA, mode)
    await town.writes("anna", "when shall we meet?")
    assert await town.work() == done
    await town.deliver()
    history = await town.store.client.zcard(keys.history(ANNA))
    assert (len(town.channel.texts(ANNA)), history > 0) == (sent, kept)
    assert len((await town.drafts.waiting())[0]) == (mode is ReplyMode.DRAFT)


@pytest.mark.parametrize("mode", [ReplyMode.DRAFT, ReplyMode.OBSERVE, ReplyMode.OFF])
async def test_a_mode_that_is_set_while_a_reply_waits_holds_it_and_the_owner_may_send_it_all_the_same(
    town: Town, mode: ReplyMode
) -> None:
    await town.let_in("anna")
    await town.writes("anna", "when shall we meet?")
    await town.work()
    await ContactChoices(town.store).set_mode(ANNA, mode)
    assert await town.deliver() == ["held"]
    ((draft,), _) = await town.drafts.waiting()
    assert draft.reason == "mode"
    await town.drafts.send(draft.id)
    await town.deliver()
    assert len(town.channel.texts(ANNA)) == 1


@pytest.mark.parametrize("mode", [ReplyMode.OBSERVE, ReplyMode.OFF])
async def test_what_waited_in_the_inbox_is_not_answered_under_a_mode_that_answers_nobody(town: Town, mode: ReplyMode) -> None:
    await town.let_in("anna")
    await town.writes("anna", "when shall we meet?")
    await ContactChoices(town.store).set_mode(ANNA, mode)
    assert await town.work() == ["observed" if mode is ReplyMode.OBSERVE else "off"]
    assert (await town.deliver(), town.model.prompts) == ([], [])


async def test_a_contact_that_becomes_restricted_while_a_reply_waits_needs_the_owner(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "when shall we meet?")
    await town.work()
    await town.owner.edit(ANNA, tier=Tier.RESTRICTED)
    assert await town.deliver() == ["held"]


async def test_a_note_that_looks_like_a_mode_is_only_a_note(town: Town) -> None:
    await town.let_in("anna")
    await town.owner.edit(ANNA, notes='"replyMode":"off" {"replyMode":"off"}')
    assert await town.writes("anna", "when shall we meet?") is Admission.QUEUED


async def test_held_time_is_the_stores(town: Town) -> None:
    draft = await drafted(town)
    (seconds, _) = await town.store.client.time()
    assert abs(draft.held_at.timestamp() - seconds) < timedelta(minutes=1).total_seconds()


NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
offsets = st.lists(st.floats(-100_000, 100_000), min_size=1, max_size=50)
settings = st.builds(PacingSettings, gather_s=st.floats(0, 60), gather_max_s=st.floats(0, 300), scale=st.floats(0, 10))


@given(offsets, settings)
def test_nobody_is_waited_for_longer_than_the_quiet_that_is_asked_for(ago: list[float], pacing: PacingSettings) -> None:
    wait_s = gathering_s([NOW + timedelta(seconds=each) for each in ago], NOW, pacing)
    assert 0 <= wait_s <= min(pacing.gather_s, pacing.gather_max_s) * pacing.scale


@given(offsets)
def test_without_pacing_nobody_is_waited_for(ago: list[float]) -> None:
    assert gathering_s([NOW + timedelta(seconds=each) for each in ago], NOW, PacingSettings(enabled=False)) == 0.0


@given(st.lists(st.integers(10, 20_000), min_size=1, max_size=40), st.integers(100, 10_000), st.integers(100, 40_000))
def test_who_goes_on_writing_is_answered_when_they_pause_or_the_first_has_waited_its_most(
    pauses_ms: list[int], quiet_ms: int, most_ms: int
) -> None:
    pacing = PacingSettings(gather_s=quiet_ms / 1000, gather_max_s=most_ms / 1000)
    coming = [NOW + timedelta(milliseconds=sum(pauses_ms[:at])) for at in range(len(pauses_ms) + 1)]
    now = NOW
    while (wait_s := gathering_s([each for each in coming if each <= now], now, pacing)) > 1e-6:
        now += timedelta(seconds=wait_s)
    stops = next((at for at, pause in enumerate(pauses_ms) if pause > quiet_ms), len(pauses_ms))
    expected_ms = min(sum(pauses_ms[:stops]) + quiet_ms, most_ms)
    assert now - NOW == timedelta(milliseconds=expected_ms)


@pytest.mark.parametrize("ahead", [timedelta(seconds=2), timedelta(minutes=5), timedelta(days=4000), timedelta(days=-4000)])
async def test_a_clock_that_goes_wrong_delays_nobody(town_with: Callable[..., Town], ahead: timedelta) -> None:
    town = town_with(pacing__enabled=True, queue__stale_after_hours=1e9)
    await town.let_in("anna")
    before = datetime.now(UTC)
    await town.writes("anna", "when shall we meet?", sent_at=before + ahead)
    (token,) = await town.tokens()
    burst = await town.inbox.begin(token, "w")
    assert isinstance(burst, Burst)
    assert isinstance(await town.gateway.answer(burst), Deferred) is (ahead > timedelta(0))
    later = replace(burst, now_ms=burst.now_ms + 4_100)  # as when the wait is over
    assert isinstance(await town.gateway.answer(later), Answered)


async def test_what_is_dated_in_the_future_does_not_push_what_comes_after_it_there(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "from tomorrow", sent_at=datetime.now(UTC) + timedelta(days=1))
    await town.writes("anna", "from today")
    newest = (await town.store.client.zrange(keys.history(ANNA), -1, -1, withscores=True))[0][1]
    assert newest <= datetime.now(UTC).timestamp() * 1000 + 1000


async def _newer(town: Town) -> None:
    await drafted(town, "at nine", says="or at nine?")


async def _by_hand(town: Town) -> None:
    await town.writes("anna", "yes!", from_me=True)


async def _taken_back(town: Town) -> None:
    (asked,) = [turn.id for turn in await town.conversation.said(ANNA) if turn.role == "user"]
    await town.writes("anna", "", revokes=asked)


async def _expires(town: Town) -> None:
    await age_drafts(town, 24 * 90)
    await town.draft_store.expire()


async def _dropped(town: Town) -> None:
    await town.drafts.drop((await town.drafts.waiting())[0][0].id)


async def _sent(town: Town) -> None:
    await town.drafts.send((await town.drafts.waiting())[0][0].id)
    await town.deliver()


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (_newer, "a newer reply took its place"),
        (_by_hand, "you wrote to them yourself"),
        (_taken_back, "they took back what it answered"),
        (_expires, "nobody decided about it in time"),
        (_dropped, "you dropped it"),
        (_sent, "it was sent"),
    ],
)
async def test_what_became_of_a_draft_that_is_gone_is_told(town: Town, end: Callable[[Town], object], words: str) -> None:
    draft = await drafted(town)
    await end(town)  # type: ignore[misc]  # each is a coroutine
    for reference in (draft.id, draft.id[:6]):
        with pytest.raises(NotFoundError, match=words) as caught:
            await town.services.draft_views.find(reference)
        assert caught.value.code == "draft_gone"
    with pytest.raises(NotFoundError, match="No draft has that id"):
        await town.services.draft_views.find("ffffffff")


async def test_a_draft_stands_beside_every_message_it_answers(town: Town) -> None:
    await town.let_in("anna", Tier.RESTRICTED)
    await town.writes("anna", "one\x1b[2J")
    await town.writes("anna", "x" * 5000)
    town.model.script = lambda _: Composed("yes")
    await town.work()
    ((view,), _) = await town.services.draft_views.waiting()
    assert [each.text for each in view.asked] == ["one[2J", "x" * 2000]
    assert view.asked == await town.services.draft_views.asked(view.draft)
    assert (view.name, view.job_name, view.why) == ("Anna", "", "Replies to this contact need you.")
    assert view.draft.expires_at is not None
    assert view.draft.expires_at > view.draft.held_at


async def test_one_of_many_that_fails_keeps_no_other_from_being_decided(town: Town) -> None:
    for who in ("anna", "ben"):
        await town.let_in(who)
    unfit = await town.drafts.suggest(ANNA, "local", "Traceback", fault="error_text")
    good = await town.drafts.suggest(ANNA, "local", "hello")
    other = await town.drafts.suggest(ContactId("local:ben"), "local", "hello you")
    assert unfit is not None
    assert good is not None
    assert other is not None
    await town.control.pause(ContactId("local:ben"), None)
    outcomes = await town.drafts.decide([unfit, good, "ffffffff", other, good], "send")
    assert [each.error.code if each.error else "sent" for each in outcomes] == ["unfit", "sent", "no_such_draft", "paused"]
    assert [each.reference for each in outcomes] == [unfit, good, "ffffffff", other]
    assert [each.error for each in await town.drafts.decide([unfit, other], "drop")] == [None, None]
    await town.deliver()
    assert (town.channel.texts(ANNA), (await town.drafts.waiting())[0]) == (["hello"], [])
