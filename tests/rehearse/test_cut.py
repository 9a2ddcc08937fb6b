"""The cut: nothing that was said when the owner answered, or later, is in anything that the answer is composed from."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.size import IS_WHOLE
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as some
from rehearse.past_worlds import ANNA, LATE, PHONE, all_of, canary, conversation, cut_off, measures_of, told_at, world_of

from secondme.core.clock import to_ms
from secondme.core.messages import Speaker
from secondme.core.records import OwnMessage
from secondme.core.rehearse.bursts import Candidate
from secondme.core.rehearse.past import Moment, Past, PastContexts, PastMessage, PastOverall, PastVoices
from secondme.core.remember.style import profile_from_predecessor, profile_of_measures
from secondme.core.reply import agent
from secondme.core.reply.prompt import Briefing, may_be_said
from secondme.core.reply.store import ReplyContext

CHATS = 300 if IS_WHOLE else 40
PREDECESSORS = json.dumps(
    {
        "messageLengths": [777] * 20,
        "emojiCounts": [0] * 20,
        "formalityScores": [0.5] * 20,
        "punctuationData": {"ellipsisCount": 0, "exclamationCount": 0, "questionCount": 0, "periodEndCount": 0},
        "greetings": [["howdy", 20]],
        "signOffs": [],
        "sampleCount": 20,
    }
)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the checks let a reply repeat."""
    seen: list[str] = []

    def spied(briefing: Briefing) -> tuple[str, ...]:
        said = may_be_said(briefing)
        seen.extend(said)
        return said

    monkeypatch.setattr(agent, "may_be_said", spied)
    return seen


def places(chat: list[PastMessage]) -> dict[str, int]:
    return {each.id: at for at, each in enumerate(chat)}


def leaks(chat: list[PastMessage], chosen: list[Candidate], told: list[Any]) -> list[str]:
    """What of a later moment is in what was composed. The place of an answer is looked up in the chat itself, not where the code says it is."""
    at = places(chat)
    found = []
    for candidate, each in zip(chosen, told, strict=True):
        first = min(at[message.id] for message in candidate.answer.messages)
        later = [canary(number) for number in range(first, len(chat)) if canary(number) in each.everything]
        if LATE in each.everything and first <= len(chat) // 2:
            later.append(LATE)
        if "howdy" in each.everything or "777" in each.everything:
            later.append("the predecessor's profile")
        found += later
    return found


def some_of(chosen: list[Candidate], seed: int) -> list[Candidate]:
    """At most five, spread, the first and the last among them."""
    step = max(1, len(chosen) // 4)
    return [*chosen[seed % step :: step]] or chosen


@given(seed=some.integers(0, 10**6), count=some.integers(4, 60), members=some.sampled_from([1, 2]), dense=some.booleans())
@trying(max_examples=CHATS)
async def test_no_prompt_has_a_word_of_what_was_still_to_come(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, members: int, *, dense: bool
) -> None:
    chat = conversation(seed, count, members=members, dense=dense)
    past = Past([ANNA, PHONE][:members], chat)
    chosen = some_of(all_of(past), seed)
    directory = tmp_path_factory.mktemp("world")
    monkeypatch, seen = pytest.MonkeyPatch(), list[str]()
    monkeypatch.setattr(agent, "may_be_said", lambda briefing: seen.extend(said := may_be_said(briefing)) or said)
    try:
        told = await told_at(world_of(past, directory), chosen, seen)
    finally:
        monkeypatch.undo()
    assert leaks(past.messages, chosen, told) == []


async def test_without_the_cut_the_answer_is_among_the_examples(
    tmp_path: Path, spy: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    past = Past([ANNA], conversation(7, 240, dense=False))
    chosen = all_of(past)[-60:]

    def share(told: list[Any]) -> float:
        answers = [candidate.answer.messages[0].text.partition(" and ")[0].removeprefix("about ") for candidate in chosen]
        return sum(answer in each.everything for answer, each in zip(answers, told, strict=True)) / len(chosen)

    assert share(await told_at(world_of(past, tmp_path / "a"), chosen, spy)) == 0
    whole = Past.own_before
    monkeypatch.setattr(Past, "own_before", lambda self, _: whole(self, len(self.turns)))
    assert share(await told_at(world_of(past, tmp_path / "b"), chosen, spy)) >= 0.8


@pytest.mark.heavy
async def test_what_comes_later_changes_no_byte_of_a_prompt(tmp_path: Path, spy: list[str]) -> None:
    done = 0
    for seed in range(3):
        past = Past([ANNA, PHONE], conversation(seed, 160, members=2, dense=seed % 2 == 0))
        chosen = all_of(past)
        whole = await told_at(world_of(past, tmp_path / f"w{seed}"), chosen, spy)
        for at, candidate in enumerate(chosen):
            if done == 100:
                break
            shorter = cut_off(candidate)
            measures = measures_of(shorter.past)
            (alone,) = await told_at(world_of(shorter.past, tmp_path / f"c{seed}-{at}", measures=measures), [shorter], spy)
            assert repr(alone.prompts) == repr(whole[at].prompts)
            done += 1
    assert done == 100


async def test_personas_lose_what_quotes_an_answer_to_come_and_nothing_else(tmp_path: Path, spy: list[str]) -> None:
    chat = conversation(3, 60, dense=False)
    past = Past([ANNA], chat)
    personas = tmp_path / "personas"
    personas.mkdir()
    own = [each for each in chat if each.speaker is Speaker.OWNER]
    early, late = own[2].text.partition(LATE)[0].strip(), own[-3].text.partition(LATE)[0].strip()
    (personas / "default.md").write_text(
        f'---\nname: Sam\nexamples: ["{early}", "{late}", "ok"]\n---\nSay "{late.upper()}" or "{early}" or "ok".\n'
    )
    world = world_of(past, tmp_path, library=personas)
    world = replace(world, personas={"default": "default"})
    chosen = [each for each in all_of(past) if each.answer.position > places(chat)[own[4].id]]
    told = await told_at(world, chosen[:1], spy)
    assert early in told[0].everything
    assert late.partition(" and ")[0].casefold() not in told[0].everything.casefold()
    assert '- "ok"' in told[0].prompts[-1].system[0].text
    voices = PastVoices(chosen[0].moment, world.library, [], "default.md", world.clock)
    context = await PastContexts(chosen[0].moment, world.relationships[ANNA], {"default": "default"}).of(ANNA, 5)
    await voices.of(world.contacts[ANNA], context)
    assert voices.removed == 2


Mutation = Callable[[pytest.MonkeyPatch], None]


def up_to_and_with(patch: pytest.MonkeyPatch) -> None:
    own, turns = Past.own_before, Past.turns_before
    patch.setattr(Past, "own_before", lambda self, position: own(self, position + 1))
    patch.setattr(Past, "turns_before", lambda self, position: turns(self, position + 1))


def by_time(patch: pytest.MonkeyPatch) -> None:
    def own(self: Past, position: int) -> list[OwnMessage]:
        moment = self.turns[position].timestamp
        return [each for _, each in self._own if each.at <= moment]

    patch.setattr(Past, "own_before", own)


def by_a_kept_profile(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Past, "profile_before", lambda self, _: profile_of_measures(measures_of(self)))


def of_one_account_only(patch: pytest.MonkeyPatch) -> None:
    own = Past.own_before

    def mine(self: Past, position: int) -> list[OwnMessage]:
        known = {each.id: each.contact for each in self.messages}
        linked = [each for _, each in self._own if known[each.id] != self.members[0]]
        return sorted([*own(self, position), *linked], key=lambda each: (each.at, each.id))

    patch.setattr(Past, "own_before", mine)


def overall_of_today(patch: pytest.MonkeyPatch) -> None:
    def everything(self: PastOverall, measures: Any, _: Any) -> None:
        self._measures = list(measures)

    patch.setattr(PastOverall, "__init__", everything)


def in_the_middle_of_an_answer(patch: pytest.MonkeyPatch) -> None:
    def late(self: Candidate) -> Moment:
        at = {turn.id: place for place, turn in enumerate(self.past.turns)}
        return Moment(self.past, at[self.answer.messages[-1].id])

    patch.setattr(Candidate, "moment", property(late))


def by_the_predecessors_profile(patch: pytest.MonkeyPatch) -> None:
    found = profile_from_predecessor(PREDECESSORS)
    of = PastContexts.of

    async def inherited(self: PastContexts, *args: Any) -> ReplyContext:
        context = await of(self, *args)
        return replace(context, profile=context.profile or found)

    patch.setattr(PastContexts, "of", inherited)


MUTANTS: list[Mutation] = [
    up_to_and_with,
    by_time,
    by_a_kept_profile,
    of_one_account_only,
    overall_of_today,
    in_the_middle_of_an_answer,
    by_the_predecessors_profile,
]


@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda each: each.__name__)
async def test_each_way_of_cutting_wrongly_is_seen(
    mutate: Mutation, tmp_path: Path, spy: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    mutate(monkeypatch)
    for seed in range(4):
        past = Past([ANNA, PHONE], conversation(seed, 50, members=2))
        chosen = all_of(past)
        found += leaks(past.messages, chosen, await told_at(world_of(past, tmp_path / str(seed)), chosen, spy))
        if found:
            break
    assert found


@pytest.fixture(params=[True, False], ids=["minutes", "seconds"])
def dense(request: pytest.FixtureRequest) -> Iterator[bool]:
    return request.param


def test_several_accounts_are_one_conversation_in_which_each_keeps_its_order(*, dense: bool) -> None:
    chat = conversation(11, 200, members=2, dense=dense)
    merged = Past([ANNA, PHONE], chat).messages
    for account in (ANNA, PHONE):
        assert [each for each in merged if each.contact == account] == [each for each in chat if each.contact == account]
    times = [to_ms(each.at) for each in merged]
    assert times == sorted(times)
