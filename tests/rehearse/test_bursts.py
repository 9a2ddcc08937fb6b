"""Which answers are rehearsed."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest
from rehearse.past_worlds import ANNA, NOON, PHONE, conversation

from secondme.core.ids import ContactId
from secondme.core.messages import Speaker
from secondme.core.rehearse.bursts import FEWEST_BEFORE, Candidate, candidates, pick
from secondme.core.rehearse.past import Past, PastMessage

HOUR = timedelta(hours=1)


def chat(who: ContactId, answers: int, *, apart: timedelta = HOUR, words: str = "what about the garden, or not?") -> Past:
    said = []
    for at in range(answers):
        when = NOON + at * apart
        said.append(PastMessage(who, f"{who}-q{at}", when, Speaker.CONTACT, f"{words} {at}" if "garden" in words else words))
        said.append(PastMessage(who, f"{who}-a{at}", when + timedelta(minutes=2), Speaker.OWNER, f"yes {at}"))
    return Past([who], said)


def found(*pasts: Past) -> dict[ContactId, list[Candidate]]:
    return {past.members[0]: candidates(past) for past in pasts}


def ids(picked: list[Candidate]) -> list[str]:
    return [each.answer.messages[0].id for each in picked]


def test_sixty_messages_stand_before_each() -> None:
    past = chat(ANNA, 100)
    assert next(each.answer.messages[0].id for each in candidates(past)) == f"{ANNA}-a{FEWEST_BEFORE}"
    assert candidates(chat(ANNA, FEWEST_BEFORE)) == []


def test_the_same_seed_picks_the_same_and_another_others() -> None:
    there = found(chat(ANNA, 400))
    one, again, other = (ids(pick(there, 30, since=None, seed=seed)) for seed in (1, 1, 2))
    assert one == again != other
    assert len(set(one)) == 30


def test_answers_lie_half_an_hour_apart_and_come_in_their_order() -> None:
    picked = pick(found(chat(ANNA, 500, apart=timedelta(minutes=11))), 60, since=None, seed=3)
    times = [each.at for each in picked]
    assert times == sorted(times)
    assert all(after - before >= timedelta(minutes=30) for before, after in pairwise(times))


def test_nobody_has_more_than_half_and_small_chats_have_their_share() -> None:
    others = [ContactId(f"local:p{at}") for at in range(3)]
    there = found(chat(ANNA, 1000), *(chat(each, 90) for each in others))
    picked = Counter(each.contact for each in pick(there, 40, since=None, seed=1))
    assert sum(picked.values()) == 40
    assert picked[ANNA] <= 20
    assert all(picked[each] >= 5 for each in others)
    alone = pick(found(chat(ANNA, 1000)), 40, since=None, seed=1)
    assert len(alone) == 40


def test_small_talk_is_at_most_a_fifth() -> None:
    there = found(chat(ANNA, 300, words="haha"), chat(PHONE, 300))
    picked = pick(there, 40, since=None, seed=5)
    assert sum(each.is_small_talk for each in picked) <= 8
    assert len(picked) >= 28  # half are of one person, and she only says haha


def test_the_newest_ninety_days_go_first_and_since_is_kept() -> None:
    there = found(chat(ANNA, 400, apart=timedelta(days=1)))
    newest = there[ANNA][-1].at
    assert all(newest - each.at <= timedelta(days=91) for each in pick(there, 80, since=None, seed=1))
    since = newest - timedelta(days=10)
    assert all(each.at >= since for each in pick(there, 80, since=since, seed=1))
    assert len(pick(there, 200, since=None, seed=1)) == 200


def test_what_was_answered_after_half_a_day_is_no_answer_to_it() -> None:
    past = chat(ANNA, 70)
    late = past.messages[-1].at + timedelta(hours=20)
    more = [
        PastMessage(ANNA, "q", past.messages[-1].at + HOUR, Speaker.CONTACT, "still there?"),
        PastMessage(ANNA, "a", late, Speaker.OWNER, "sorry"),
    ]
    assert "a" not in ids(candidates(Past([ANNA], [*past.messages, *more])))


def test_what_the_clone_answered_and_what_was_passed_on_is_nothing_of_the_owners() -> None:
    past = chat(ANNA, 70)
    end = past.messages[-1].at
    more = [
        PastMessage(ANNA, "q1", end + HOUR, Speaker.CONTACT, "are you in?"),
        PastMessage(ANNA, "c1", end + HOUR, Speaker.CLONE, "yes"),
        PastMessage(ANNA, "o1", end + 2 * HOUR, Speaker.OWNER, "I take over"),
        PastMessage(ANNA, "q2", end + 3 * HOUR, Speaker.CONTACT, "have a look"),
        PastMessage(ANNA, "f1", end + 3 * HOUR, Speaker.OWNER, "somebody else's words", forwarded=True),
    ]
    assert {"c1", "o1", "f1"}.isdisjoint(ids(candidates(Past([ANNA], [*past.messages, *more]))))


def test_messages_in_quick_succession_are_one_answer_and_what_stands_before_it_is_asked() -> None:
    past = chat(ANNA, 70)
    end = past.messages[-1].at + HOUR
    more = [
        PastMessage(ANNA, "q1", end, Speaker.CONTACT, "how was it"),
        PastMessage(ANNA, "q2", end, Speaker.CONTACT, "tell me"),
        *(PastMessage(ANNA, f"o{at}", end + timedelta(seconds=at), Speaker.OWNER, f"part {at}") for at in range(3)),
    ]
    record = candidates(Past([ANNA], [*past.messages, *more]))[-1].record()
    assert record.asked == ("how was it", "tell me")
    assert record.real == ("part 0", "part 1", "part 2")
    assert record.before == (("owner", "yes 68"), ("contact", "what about the garden, or not? 69"), ("owner", "yes 69"))


def test_whether_a_machine_is_asked_for_is_known() -> None:
    past = chat(ANNA, 70)
    end = past.messages[-1].at + HOUR
    more = [
        PastMessage(ANNA, "q", end, Speaker.CONTACT, "are you a bot?"),
        PastMessage(ANNA, "a", end, Speaker.OWNER, "no, why"),
    ]
    assert candidates(Past([ANNA], [*past.messages, *more]))[-1].record().asks_if_machine


@pytest.mark.parametrize("count", [1, 7, 30])
def test_never_more_than_asked_for(count: int) -> None:
    there = found(*(chat(ContactId(f"local:p{at}"), 100) for at in range(3)))
    assert len(pick(there, count, since=None, seed=1)) == count


def test_nothing_is_picked_of_nothing() -> None:
    assert pick({}, 30, since=None, seed=1) == []
    assert pick(found(Past([ANNA], conversation(1, 30))), 30, since=None, seed=1) == []
