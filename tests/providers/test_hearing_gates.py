"""Which words of an engine count: never those of an empty, a looping or an unsure answer."""

import math
import re
import unicodedata
from pathlib import Path
from random import Random

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from secondme.core.files import table
from secondme.core.messages import HearingOutcome, NothingHeard, Transcription
from secondme.core.providers import hearing_gates
from secondme.core.providers.hearing_gates import LONGEST_TEXT, RawTranscription, Segment, count_words, judge, one_line

SAID = "We meet at the lake on Friday at seven, and Anna brings the boat."


def prose(count: int) -> str:
    """Words as they come, none of them invented: those of this module's own package."""
    found = re.findall("[a-z]+", Path(hearing_gates.__file__).read_text("utf-8").casefold())
    return " ".join(Random(7).choices(found, k=count))


def judged(raw: RawTranscription, *hints: str) -> HearingOutcome:
    return judge(raw, provider="openai", model="m", hints=hints)


def raw(text: str = SAID, duration: float = 6.0, confidence: float | None = None, **more: object) -> RawTranscription:
    segments = () if confidence is None else (Segment(text, 0, duration, math.log(confidence), 0.01, 1.2),)
    return RawTranscription(text, duration, **{"segments": segments, **more})  # type: ignore[arg-type]


def verdict(outcome: HearingOutcome) -> str:
    return outcome.reason if isinstance(outcome, NothingHeard) else "clear" if outcome.is_clear else "unclear"


@pytest.mark.parametrize(
    ("given_raw", "expected"),
    [
        (raw(), "clear"),
        (raw(confidence=0.66), "clear"),
        (raw(confidence=0.64), "unclear"),
        (raw(confidence=0.46), "unclear"),
        (raw(confidence=0.44), "unsure"),
        (raw(confidence=0.51, is_of_one_language=True), "unclear"),
        (raw(confidence=0.48, is_of_one_language=True), "unsure"),
        (raw(language_probability=0.61), "clear"),
        (raw(language_probability=0.59), "no_language"),
        (raw(languages=()), "no_language"),
        (raw(languages=("de",)), "clear"),
        (raw(""), "silence"),
        (raw(" \n\u200b\x00"), "silence"),
        (raw("."), "no_words"),
        (raw(". . . . "), "no_words"),
        (raw("♪♪♪"), "no_words"),
        (raw("..."), "no_words"),
        (raw("42"), "clear"),
        (raw("No."), "clear"),
        (raw("Не сегодня, мама."), "clear"),  # noqa: RUF001  Russian
        (raw("今日は行けません。"), "clear"),
        (raw("Yes. Yes. Yes."), "repetition"),
        (raw("I'm sorry, I'm sorry, I'm sorry."), "repetition"),
        (raw("you know what I mean, " * 4), "repetition"),
        (raw("はい、はい、はい"), "repetition"),
        (raw("ご視聴" * 5), "repetition"),
        (raw("No, no, no, I really cannot come on Friday, the car is broken."), "clear"),
        (raw("It was very, very good, thank you so much for that, and see you soon."), "clear"),
        (raw("I waited and waited and waited and then she came after all, around nine in the evening."), "clear"),
        (raw("The number is 0 1 7 7 7 7 3 2, call me when you are there."), "clear"),
        (raw(prose(100) + " I'm sorry" * 12, 60.0), "unclear"),
        (raw(SAID + " I'm sorry" * 40, 60.0), "repetition"),
        (raw("Thanks for watching!"), "stock_phrase"),
        (raw("Thank you so much for watching, and I will see you in the next video."), "stock_phrase"),
        (raw("Untertitelung des ZDF, 2020"), "stock_phrase"),
        (raw("Subtítulos por la comunidad de Amara.org"), "stock_phrase"),
        (raw("ご視聴ありがとうございました。"), "stock_phrase"),
        (raw("Thanks for watching the kids yesterday!"), "clear"),
        (raw("one two three four five six seven eight nine", 1.4), "unsure"),
        (raw("one two three four five six seven eight nine", 1.6), "clear"),
        (raw("one two three four five six seven eight nine", 0.0), "clear"),
        (raw("one two three four five six seven eight nine", 1.4, 0.8), "clear"),
        (raw("We meet.", 20.0), "unclear"),
        (raw("We meet.", 20.0, speech=1.0), "clear"),
        (raw("We meet.", 10.0), "clear"),
    ],
)
def test_words_are_clear_unclear_or_none(given_raw: RawTranscription, expected: str) -> None:
    assert verdict(judged(given_raw)) == expected


@pytest.mark.parametrize("confidence", [None, 0.99])
@pytest.mark.parametrize("phrase", table("providers", "stock_phrases")["whole"] + table("providers", "stock_phrases")["within"])
def test_what_engines_learnt_from_subtitles_was_never_said(phrase: str, confidence: float | None) -> None:
    for written in (phrase, phrase.capitalize() + ".", f"¡{phrase.upper()}!" if phrase.isascii() else phrase):
        assert isinstance(judged(raw(written, confidence=confidence)), NothingHeard)


@pytest.mark.parametrize(
    ("language", "duration", "speech", "expected"),
    [
        ("de", 2.0, None, "clear"),
        ("pl", 2.0, None, "unclear"),
        ("pl", 9.0, 2.0, "unclear"),
        ("pl", 9.0, None, "clear"),
        ("", 2.0, None, "clear"),
    ],
)
def test_a_short_note_in_a_language_nobody_knows_of_is_unclear(
    language: str, duration: float, speech: float | None, expected: str
) -> None:
    languages = (language,) if language else None
    assert verdict(judged(raw("We meet.", duration, languages=languages, speech=speech), "de", "en")) == expected
    assert verdict(judged(raw("We meet.", duration, languages=languages, speech=speech))) == "clear"


def test_what_is_said_after_the_speech_ended_is_left_out() -> None:
    segments = (Segment(f" {SAID}", 0, 6, -0.2, 0.02), Segment(" Thank you.", 6, 36, -0.9, 0.9))
    heard = judged(RawTranscription(f"{SAID} Thank you.", 36, segments=segments))
    assert isinstance(heard, Transcription)
    assert (heard.text, heard.confidence, heard.is_clear) == (SAID, 0.819, False)
    assert verdict(judged(RawTranscription("Thank you.", 36, segments=segments[1:]))) == "silence"
    sure = (segments[0], Segment(" Thank you.", 6, 8, -0.2, 0.9))
    assert verdict(judged(RawTranscription(f"{SAID} Thank you.", 8, segments=sure))) == "clear"


def test_the_longer_stretch_counts_for_more() -> None:
    segments = (Segment("a", 0, 9, math.log(0.8)), Segment("b", 9, 10, math.log(0.2)), Segment("c", 10, 20, None))
    heard = judged(RawTranscription(SAID, 20, segments=segments))
    assert isinstance(heard, Transcription)
    assert heard.confidence == pytest.approx(0.8**0.9 * 0.2**0.1, abs=0.001)


def test_a_note_of_ten_minutes_is_whole() -> None:
    text = prose(1900)
    assert 9_000 < len(text) < 15_000
    heard = judged(raw(text, 600.0, 0.8))
    assert isinstance(heard, Transcription)
    assert heard.text == text


TEXTS = st.text() | st.lists(
    st.sampled_from([SAID, "I'm sorry, ", "\u202e", "\x1b[2J", "\n\n", "é", "はい", " "]), max_size=400
).map("".join)
NUMBERS = st.none() | st.floats(-5, 1)


@given(TEXTS, st.floats(0, 7200), st.none() | st.lists(st.sampled_from(["de", "en"])).map(tuple), NUMBERS, NUMBERS, NUMBERS)
@example("e\u0301" * 40_000, 1.0, None, None, None, None)
def test_what_counts_is_one_bounded_line_and_never_of_an_unsure_answer(
    text: str,
    duration: float,
    languages: tuple[str, ...] | None,
    probability: float | None,
    logprob: float | None,
    silent: float | None,
) -> None:
    segments = (Segment(text, 0, duration, logprob, silent),)
    outcome = judged(RawTranscription(text, duration, languages, probability, segments))
    assert outcome.duration == duration
    if isinstance(outcome, NothingHeard):
        assert re.fullmatch("[a-z_]+", outcome.reason)
        return
    assert outcome.text == one_line(outcome.text) != ""
    assert len(outcome.text) <= LONGEST_TEXT
    assert not any(unicodedata.category(char) in {"Cc", "Zl", "Zp", "Cs"} for char in outcome.text)
    assert languages != ()
    assert probability is None or probability >= 0.6
    assert logprob is None or math.exp(min(0, logprob)) >= 0.449
    assert outcome.is_clear <= (outcome.confidence is None or outcome.confidence >= 0.65)


@given(st.lists(st.sampled_from(["oh", "I'm", "sorry", "yes", "watch", "that"]), min_size=1, max_size=8), st.integers(3, 60))
def test_a_phrase_again_and_again_was_never_said(phrase: list[str], times: int) -> None:
    for joint in (" ", ", ", ". "):
        text = joint.join([" ".join(phrase)] * times)
        for confidence in (None, 0.5, 0.99):
            assert isinstance(judged(raw(text, 600.0, confidence)), NothingHeard)


@given(st.text(alphabet=st.characters(exclude_categories=["L", "N", "M"]), max_size=50))
def test_what_has_no_words_was_never_said(text: str) -> None:
    assume(not any(map(str.isalnum, unicodedata.normalize("NFC", text))))
    assert isinstance(judged(raw(text)), NothingHeard)


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("don't stop", 2), ("well-known", 1), ("今日は行けません", 4), ("ok 今日は", 2.5), ("... !", 0), ("今日", 1)],
)
def test_words_are_counted_in_every_script(text: str, count: float) -> None:
    assert count_words(text) == count


def test_a_long_text_is_cut_between_words() -> None:
    cut = one_line("seven " * 9000)
    assert len(cut) <= LONGEST_TEXT
    assert cut.endswith(" seven…")
    assert len(one_line("x" * 99_999)) == LONGEST_TEXT
