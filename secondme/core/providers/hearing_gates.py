"""The gates of hearing: which words of an engine count, which are marked as unclear, and which were never said.

Engines invent words where nobody speaks ("Thanks for watching", "I'm sorry, I'm sorry", ". . . ."), and say so by what they add: how sure they
are, which language it is, whether anything was spoken at all. The numbers are measured over 73 recordings, 17 of them without speech; what
an engine does not say is judged by the words alone. Source: OpenAI, "Robust Speech Recognition via Large-Scale Weak Supervision", 4.5.
"""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from dataclasses import dataclass

from secondme.core.files import table
from secondme.core.messages import HearingOutcome, NothingHeard, Transcription
from secondme.core.text import safe_text

LONGEST_TEXT = 30_000
"""Characters of a transcript: more than three times what ten minutes of fast speech have."""
_CLEAR, _UNCLEAR, _UNCLEAR_OF_ONE_LANGUAGE = 0.65, 0.45, 0.50
"""Confidence: below the first 26 words of 100 were wrong, below the second 52. A model of one language hears that language in every other,
and was up to 0.48 sure of it."""
_LANGUAGE = 0.6
"""Probability of the language: 0.74 and more in speech, at most 0.55 in what was invented."""
_FASTEST = 6.0
"""Words a second. Fast talkers come to five."""
_SPARSE, _SPARSE_FROM_S = 0.15, 15.0
"""Words a second, and from which length on: so few words in so long a recording are rather invented than said."""
_LOOP_RATIO = 2.4
"""Of a text's length packed: Whisper's own threshold, above which it is one phrase again and again."""
_WINDOW = 600
"""Bytes that are packed at once: about half a minute, as Whisper does it. The longer a text the better it packs, without any loop."""
_LOOP_SHARE = 1 / 3
"""Of a text that loops: more, and nothing of it counts; less, and it is unclear."""
_SILENT, _SILENT_SURE = 0.6, 0.55
"""Probability that nothing was said in a segment, as Whisper has it, and how sure the words must be to count all the same."""
_REPEATS, _REPEATS_OF_PHRASE, _REPEATS_OF_WORD, _LONGEST_PHRASE = 3, 4, 6, 12
"""How often a phrase is said before it is a loop: where nothing else is said, where something is, and a single word there."""
_LEAST_LENGTH_S = 1.0

_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")  # noqa: RUF001  the apostrophe that is typeset
_NOT_IN_WORDS = re.compile(r"[^\w']+")
_NO_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Letters of scripts that put no spaces between words: Thai to Khmer, and the Chinese and Japanese ones."""
_LETTERS_PER_WORD = 2


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a recording as Whisper reports it; None for what it does not say."""

    text: str
    start: float
    end: float
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    compression_ratio: float | None = None

    @property
    def weight(self) -> float:
        """Its length in seconds; a little for one that says it has none."""
        return max(self.end - self.start, 0.01)


@dataclass(frozen=True, slots=True)
class RawTranscription:
    """What an engine answered, before anybody believes it."""

    text: str
    """As it came: of any length, with anything in it."""
    duration: float
    """Seconds; 0 when nobody knows."""
    languages: tuple[str, ...] | None = None
    """Codes of ISO 639-1; none of them: the engine found no language; None: it does not say."""
    language_probability: float | None = None
    segments: tuple[Segment, ...] = ()
    speech: float | None = None
    """Seconds in which somebody speaks, where that was measured."""
    is_of_one_language: bool = False
    """True when the engine knows a single language, and so cannot say that another one was spoken."""


def judge(raw: RawTranscription, *, provider: str, model: str, hints: tuple[str, ...] = ()) -> HearingOutcome:
    """The words that count, on one line without control characters; or why none do. `hints` are the languages that the speaker is known to
    use."""
    silent, kept = _without_silence(raw)
    text = one_line(kept)
    if not text:
        return NothingHeard("silence", raw.duration)
    if raw.languages == ():
        return NothingHeard("no_language", raw.duration)
    if raw.language_probability is not None and raw.language_probability < _LANGUAGE:
        return NothingHeard("no_language", raw.duration)
    if not any(map(str.isalnum, text)):
        return NothingHeard("no_words", raw.duration)
    if _is_stock_phrase(text):
        return NothingHeard("stock_phrase", raw.duration)
    looping = max(_loop_share(text), _repeated_share(text))
    if looping >= _LOOP_SHARE:
        return NothingHeard("repetition", raw.duration)
    confidence = _confidence(raw.segments)
    if confidence is not None and confidence < (_UNCLEAR_OF_ONE_LANGUAGE if raw.is_of_one_language else _UNCLEAR):
        return NothingHeard("unsure", raw.duration)
    words = count_words(text)
    if confidence is None and raw.duration > 0 and words / max(raw.duration, _LEAST_LENGTH_S) > _FASTEST:
        return NothingHeard("unsure", raw.duration)
    language = raw.languages[0] if raw.languages else ""
    is_sparse = raw.duration >= _SPARSE_FROM_S and words / (raw.speech or raw.duration) < _SPARSE
    is_clear = (
        not silent and not looping and not is_sparse and (confidence is None or confidence >= _CLEAR) and _is_expected(raw, hints)
    )
    return Transcription(text, language, raw.duration, confidence, provider, model, is_clear=is_clear)


def one_line(text: str) -> str:
    """`text` in NFC on one line of at most 30,000 characters, without anything that a terminal obeys or an eye misses. Repeatable."""
    line = _SPACE.sub(" ", safe_text(_SPACE.sub(" ", text[: LONGEST_TEXT * 2]))).strip()
    line = unicodedata.normalize("NFC", line)
    if len(line) <= LONGEST_TEXT:
        return line
    cut = line[: LONGEST_TEXT - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut[-200:] else cut).rstrip() + "…"


def count_words(text: str) -> float:
    """How many words are in `text`; where a script has no spaces, two of its letters are one."""
    unspaced = len(_NO_SPACES.findall(text))
    return len(_WORD.findall(_NO_SPACES.sub(" ", text))) + unspaced / _LETTERS_PER_WORD


def _without_silence(raw: RawTranscription) -> tuple[bool, str]:
    """Whether a part was left out in which nobody speaks, by the engine's own word; and what is left."""
    kept = [each for each in raw.segments if not _is_silence(each)]
    if len(kept) == len(raw.segments):
        return False, raw.text
    words = " ".join(each.text.strip() for each in kept)
    return True, words if words.strip() or not kept else raw.text  # some servers' segments have no words of their own


def _is_silence(segment: Segment) -> bool:
    if segment.no_speech_prob is None or segment.no_speech_prob <= _SILENT:
        return False
    return segment.avg_logprob is None or math.exp(min(0.0, segment.avg_logprob)) < _SILENT_SURE


def _confidence(segments: tuple[Segment, ...]) -> float | None:
    """How sure the engine is of its words, from 0 to 1: their mean, the longer stretch counting for more (log probabilities of tokens)."""
    known = [(each.avg_logprob, each.weight) for each in segments if each.avg_logprob is not None and not _is_silence(each)]
    if not known:
        return None
    return round(math.exp(min(0.0, sum(value * weight for value, weight in known) / sum(weight for _, weight in known))), 3)


def _loop_share(text: str) -> float:
    """How much of a text packs so well that it must be one phrase again and again."""
    data = text.encode("utf-8", "replace")
    windows = [data[at : at + _WINDOW] for at in range(0, len(data), _WINDOW)]
    if len(windows) > 1 and len(windows[-1]) < _WINDOW // 2:
        windows[-2:] = [windows[-2] + windows[-1]]
    looping = [len(each) for each in windows if len(each) / len(zlib.compress(each)) > _LOOP_RATIO]
    return sum(looping) / len(data)


def _repeated_share(text: str) -> float:
    """How much of a text is a phrase of at most twelve words that is said again and again without anything in between."""
    words = [word.casefold() for word in _WORD.findall(text)]
    if len(words) == 1 and _NO_SPACES.match(words[0]):
        words = list(words[0])
    repeated, at = 0, 0
    while at < len(words):
        covered = max((_run(words, at, size) for size in range(1, _LONGEST_PHRASE + 1)), default=0)
        repeated += covered
        at += covered or 1
    return repeated / len(words)


def _run(words: list[str], at: int, size: int) -> int:
    """How many words from `at` on are the phrase of `size` words that stands there, if it is there often enough to be a loop."""
    phrase = words[at : at + size]
    times = 1
    while len(phrase) == size and words[at + times * size : at + (times + 1) * size] == phrase:
        times += 1
    is_all = at == 0 and times * size == len(words)
    return times * size if times >= (_REPEATS if is_all else _REPEATS_OF_PHRASE if size > 1 else _REPEATS_OF_WORD) else 0


def _is_stock_phrase(text: str) -> bool:
    """True for what engines learnt from subtitles and say where nothing is said: credits, and thanks for having watched."""
    plain = _NOT_IN_WORDS.sub(" ", text.casefold().replace("’", "'")).strip()  # noqa: RUF001  as above
    phrases = table("providers", "stock_phrases")
    return plain in phrases["whole"] or any(part in plain for part in phrases["within"])


def _is_expected(raw: RawTranscription, hints: tuple[str, ...]) -> bool:
    """False when a few seconds were understood in a language that the speaker is not known to use: engines mistake one for another there."""
    spoken = raw.duration if raw.speech is None else raw.speech
    return not hints or not raw.languages or raw.languages[0] in hints or not 0 < spoken < 3  # noqa: PLR2004  seconds
