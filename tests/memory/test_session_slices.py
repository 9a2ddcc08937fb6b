"""Slices: small, complete, of one conversation each, and the same for the same words."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from secondme.core.memory.session_slices import SpokenMessage, session_slices

MESSAGES = st.lists(
    st.builds(
        SpokenMessage,
        message_id=st.uuids().map(str),
        at_ms=st.integers(0, 50),
        speaker=st.sampled_from(["contact", "owner", "clone"]),
        text=st.one_of(st.text(max_size=60), st.text(alphabet="ab \n", max_size=3).map(lambda text: text * 900)),
        session=st.integers(1, 3),
    ),
    max_size=25,
    unique_by=lambda message: message.message_id,
)


def said(message_id: str, text: str, speaker: str = "contact", session: int = 1) -> SpokenMessage:
    return SpokenMessage(message_id, int(message_id), speaker, text, session)  # type: ignore[arg-type]


@given(MESSAGES)
def test_everything_that_was_said_is_in_small_slices_of_one_conversation(messages: list[SpokenMessage]) -> None:
    slices = list(session_slices(messages))
    assert slices == list(session_slices(list(messages)))
    by_id = {message.message_id: message for message in messages}
    for each in slices:
        own = [by_id[message_id] for message_id in each.message_ids]
        assert 0 < len(each.content) <= 500
        assert 0 < len(each.content.split("\n")) <= 6
        assert {message.session for message in own} == {each.session}
        assert each.at_ms == own[0].at_ms
        assert "clone" not in {message.speaker for message in own}
    words = {message.message_id for message in messages if message.speaker != "clone" and message.text.strip().strip("\u2028")}
    assert {message_id for each in slices for message_id in each.message_ids} <= words
    for message in messages:
        if message.speaker != "clone" and message.text.isascii() and message.text.isprintable() and message.text.strip():
            assert any(message.message_id in each.message_ids for each in slices)


def test_a_slice_begins_with_the_last_line_of_the_one_before() -> None:
    slices = list(session_slices([said(str(number), f"line {number}") for number in range(1, 14)]))
    assert [each.message_ids[0] for each in slices] == ["1", "6", "11"]
    assert all(before.message_ids[-1] == after.message_ids[0] for before, after in pairwise(slices))
    assert slices[2].content == "Them: line 11\nThem: line 12\nThem: line 13"


def test_a_long_message_is_parted_between_words_and_cut_at_four_slices() -> None:
    slices = list(session_slices([said("1", "word " * 1000), said("2", "and then", "owner")]))
    assert [each.message_ids for each in slices] == [("1",)] * 4 + [("2",)]
    assert all(each.content.endswith("word") and len(each.content) > 480 for each in slices[:4])
    assert slices[4].content == "Me: and then"


def test_a_hash_is_of_one_contact_one_time_and_one_text() -> None:
    def hashes(contact: str, *messages: SpokenMessage) -> set[str]:
        return {each.hash_for(contact) for each in session_slices(messages)}

    one = said("1", "hello")
    assert hashes("a", one) == hashes("a", one)
    others = [
        hashes("b", one),
        hashes("a", said("1", "hello!")),
        hashes("a", said("2", "hello")),
        hashes("a", said("1", "hello", session=2)),
    ]
    assert len({next(iter(each)) for each in [hashes("a", one), *others]}) == 5
