"""A rehearsal's report, and a blind test's, in words for a terminal of 80 columns."""

from __future__ import annotations

import shlex
import textwrap
from string import ascii_uppercase
from typing import TYPE_CHECKING

from secondme.core.format import counted, money
from secondme.core.rehearse.records import STAND_IN
from secondme.core.rehearse.statistics import SIGNIFICANT, by_chance, wilson
from secondme.core.rehearse.verdict import ENOUGH, FEWEST, FEWEST_OWN, is_not_told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from secondme.core.rehearse.comparison import Strip
    from secondme.core.rehearse.verdict import Advice, Contrast, RehearsalReport, Told, VariantReport

_COLUMNS = 80
_LABEL = 36
_BESIDE = 72
"""Columns from which a value stands beside its label."""
_INDENT = "  "
_SHOWN = 5
"""Differences that are told; the others are in the picture."""
SURE = 1.57
"""Gaps beyond which a difference is told: with 23 features one in twenty reports tells one by accident (Bonferroni)."""
WORDS = {"clearly_you": "clearly you", "clearly_not_you": "clearly not you", "cannot_say": "cannot say"}
PLACES = {
    "farther": "Farther from you than the people you write to are.",
    "overlaps": "About as far from you as the people you write to are.",
    "closer": "Closer to you than the people you write to are.",
}
ADVICE = {"draft": "draft", "draft_or_small_talk": "draft, or auto for small talk only", "auto": "auto is defensible"}
_MODES = {"draft": "draft", "draft_or_small_talk": "draft", "auto": "auto"}
"""There is no mode that lets small talk alone leave by itself; drafts are the safe side of it."""
WHY = {
    "held": "more than one answer in five would not have left",
    "copied": "it repeats old answers of yours",
    "new_facts": "it says numbers and names that come from nowhere",
    "no_anchor": "too little of theirs is known to compare with",
    "plain": "a small program nearly always tells it from you",
    "told": "a small program tells it from you",
    "overlaps": "the numbers decide no more than that",
    "no_blind_test": "you have not tried in a blind test of 40 whether you see it",
    "not_told": "neither a small program nor you could tell it",
}
_WEIGHED = frozenset({"told", "overlaps", "no_blind_test", "not_told"})
"""Reasons that are the numbers' own."""
_LENGTHS = {"length": ("too long", "too short"), "words": ("too many words", "too few words")}
_MEANS = {"word_length": ("longer words", "shorter words"), "formality": ("more formal", "less formal")}


def lines(report: RehearsalReport, columns: int = _COLUMNS) -> list[str]:
    """The report, a line of at most `columns` each; commands are whole."""
    when = f", {_day(report.since)} - {_day(report.until)}" if report.since and report.until else ""
    found = _wrap(f"Rehearsal of {counted(report.bursts, 'answer')} to {_people(report)}{when}, seed {report.seed}", "", columns)
    for at, variant in enumerate(report.variants):
        letter = f"{ascii_uppercase[at % 26]}: " if len(report.variants) > 1 else ""
        persona = f"persona {variant.persona}" if variant.persona else "each contact's own persona"
        found += ["", *_wrap(f"{letter}{persona}, {variant.model}, cost {money(variant.micros)}", "", columns)]
        for text in _variant(report, variant, columns):
            found += _wrap(text, columns=columns)
        for advice in variant.advice:
            found += _advice(advice, report.names.get(advice.contact, advice.contact), columns)
    if report.contrasts:
        found += ["", *(line for each in report.contrasts for line in _wrap(contrast(each), "", columns))]
    closing = "Nothing was sent, and nothing is switched by this. Not measured: whether what it says is true, or wise."
    return [*found, "", *_wrap(closing, "", columns)]


def _variant(report: RehearsalReport, variant: VariantReport, columns: int) -> Iterator[str]:
    yield from news(report, variant)
    if variant.told and not variant.why:
        yield from _scale(report, variant, variant.told, columns)
        yield from _routes(variant, columns)
    yield from details(variant)


def news(report: RehearsalReport, variant: VariantReport) -> Iterator[str]:
    """What is said before any number, or in its place."""
    compared = variant.comparison
    if variant.headline == "held":
        answered = compared.passed + compared.held + compared.silent
        yield f"{compared.held} of {answered} answers would have been left to you. That is the news; the style comes after it."
    if variant.why == "few_bursts":
        yield f"No number: {counted(compared.pairs, 'answer')} to judge the style by, and {FEWEST} are the least. Read them side by side."
    elif variant.why == "few_messages":
        known = counted(report.own_messages, "message")
        yield f"No number: only {known} of yours known, and {FEWEST_OWN} are the least. Read the answers side by side."


def details(variant: VariantReport) -> Iterator[str]:
    """What differs, what can be counted, and what became of the answers."""
    compared = variant.comparison
    if variant.told and not variant.why:
        if differences := [_difference(each, variant.laughter) for each in notable(variant.strips)]:
            text = "; ".join(differences)
            yield f"{text[0].upper()}{text[1:]}."
        yield from _counts(variant)
    if compared.is_copying and not variant.why:
        yield "It repeats your old answers word for word, so looking like you says little here."
    why = ", ".join(f"{each.count} {each.code}" for each in compared.reasons if each.outcome == "held" and each.code)
    held = f"Held back {compared.held}" + (f" ({why})" if why else "")
    yield f"{held}, silent {compared.silent}, failed {compared.failed}, could have been sent {compared.passed}."
    if compared.machine_asked:
        asked = f"{counted(compared.machine_asked, 'burst')} asked whether a machine writes"
        yield f"{asked}: {compared.machine_passed} answered. That is honesty, not style, and in no number above."


def _scale(report: RehearsalReport, variant: VariantReport, told: Told, columns: int) -> Iterator[str]:
    """The clone between the anchors."""
    numbers = told.has_number
    people = _people(report) if len(report.contacts) == 1 else "the people you write to"
    first = "told from you by a small program"
    guess = "; 50 = it cannot tell" if columns >= _COLUMNS else ""
    yield _labelled(first, _number(told, guess) if numbers else WORDS[variant.word], columns)
    for label, anchor, pairs in (
        ("you, other answers", report.itself, report.itself_pairs),
        (people, report.people, report.people_pairs),
    ):
        known = anchor is not None and (anchor.has_number or not numbers)
        text = f"too little to say: {pairs} for {report.bursts} answers"
        if anchor is not None and known:
            text = _number(anchor) if numbers else WORDS[anchor.word]
        yield _labelled(label, text, columns)
    if numbers and not guess:
        yield "50 in 100: it cannot tell."
    if not numbers:
        yield f"Of {told.n} answers only what is clear can be said; a number takes {ENOUGH}."
    elif variant.place and variant.headline != "held":
        yield f"=> {PLACES[variant.place]}"


def _routes(variant: VariantReport, columns: int) -> Iterator[str]:
    for label, told in (("small talk, by the small model", variant.small_talk), ("everything else", variant.rest)):
        if told:
            yield _labelled(label, _number(told) if told.has_number else WORDS[told.word], columns)


def _counts(variant: VariantReport) -> Iterator[str]:
    compared = variant.comparison
    said = [
        f"Copied word for word {compared.copied} (you {compared.own_copied})",
        f"numbers and names from nowhere {compared.new_facts} (you {compared.own_new_facts})",
        f"messages per answer {compared.messages:.1f} (you {compared.own_messages:.1f})",
    ]
    if compared.other_language or compared.own_other_language:
        said.append(f"in another language {compared.other_language} (you {compared.own_other_language})")
    yield f"{', '.join(said)}."


def notable(strips: Sequence[Strip]) -> list[Strip]:
    """The features in which the clone differs by more than the owner's own ups and downs, at most five; words are not counted twice."""
    apart = [each for each in strips if each.gap > SURE]
    names = {each.feature for each in apart}
    return [each for each in apart if not (each.feature == "words" and "length" in names)][:_SHOWN]


def _difference(strip: Strip, laughter: str) -> str:
    """One feature as a person would say it: "too long: 41 characters, you 18", "a comma in every second answer, you never"."""
    clone, real = strip.say(strip.clone), strip.say(strip.real).removesuffix("s").removesuffix(" answer")
    if words := (_LENGTHS | _MEANS).get(strip.feature):
        return f"{words[strip.clone < strip.real]}: {clone if strip.feature != 'formality' else clone.split()[0]}, you {real.split()[0]}"
    thing = laughter if strip.feature == "laughter" and laughter and clone == "never" else strip.thing
    if clone == strip.say(strip.real):
        return f"{thing} {clone}, {'more' if strip.clone > strip.real else 'less'} often than you"
    return f"never {thing}, you {real}" if clone == "never" else f"{thing} {clone}, you {real}"


def _advice(advice: Advice, name: str, columns: int) -> list[str]:
    if not advice.code:
        return []
    numbers = ""
    if advice.why in _WEIGHED and advice.clone and advice.anchor and advice.clone.has_number and advice.anchor.has_number:
        numbers = f"; {_number(advice.clone)}, theirs {_number(advice.anchor)}".replace("  ", " ")
    said = _wrap(f"{name}: {ADVICE[advice.code]} ({WHY[advice.why]}{numbers}).", columns=columns)
    if advice.contact == STAND_IN:  # nobody was let in who could be switched
        return said
    return [*said, f"    secondme contacts mode {shlex.quote(advice.contact)} {_MODES[advice.code]}"]


def contrast(contrast: Contrast) -> str:
    """Which of two ways of answering is told less often, or why that is not decided."""
    one, two = (ascii_uppercase[at % 26] for at in (contrast.first, contrast.second))
    found = contrast.difference
    if not (found and contrast.first_told and contrast.second_told):
        why = f"both answered {contrast.pairs} bursts, and it takes {ENOUGH}"
        return f"{one} and {two} are not compared: {why if contrast.pairs < ENOUGH else 'too few messages of yours are known'}."
    first, second = _hundred(contrast.first_told.share), _hundred(contrast.second_told.share)
    said = f"{one} {first}, {two} {second}, difference {first - second} ({_hundred(found.low)} to {_hundred(found.high)})"
    if found.is_decided:
        less = two if found.value > 0 else one
        return f"{said}: decided, {less} is told less often ({_p(found.p)})."
    return f"{said}: not decided" + (f"; {-(-found.more // 10) * 10} more bursts would." if found.more else ".")


def blind_verdict(right: int, no_idea: int, n: int, same: int, remembered: int, name: str = "") -> str:
    """What a blind test of `n` items comes to, of which the owner (or a friend of this `name`) was right in `right` and had no idea in `no_idea`,
    which count as half; `same` and `remembered` items are not among them."""
    were, who = (f"{name} was", name) if name else ("You were", "you")
    if not n:
        return " ".join(["Nothing was left to tell apart.", *_left_out(same, remembered, who)])
    score = right + no_idea / 2
    low, high = wilson(score, n)
    said = f"{were} right in {right} of {n}"
    if no_idea:
        said += f" and had no idea in {no_idea}, which count as half: {score:g}"
    p = by_chance(score, n)
    if p < SIGNIFICANT:
        verdict = f"{who} can tell the clone from you"
    elif is_not_told(score, n):
        verdict = f"{who} could not tell the clone from you, and it passes this test"
    else:
        verdict = "this cannot tell the clone from you, nor show that it can"
    interval = f"95 % interval {_hundred(low)}-{_hundred(high)} %"
    return " ".join(
        [f"{said}. Chance is {n / 2:g}. {interval}: {verdict}. By guessing alone: {_p(p)}.", *_left_out(same, remembered, who)]
    )


def _left_out(same: int, remembered: int, who: str) -> Iterator[str]:
    if same:
        yield f"{same} could not be told because they were the same."
    if remembered:
        yield f"{remembered} that {who} remembered {'is' if remembered == 1 else 'are'} not counted."


def _number(told: Told, more: str = "") -> str:
    return f"{_hundred(told.share):>3} in 100  ({_hundred(told.low)}-{_hundred(told.high)}{more})"


def _hundred(share: float) -> int:
    return round(share * 100)


def _p(p: float) -> str:
    """A probability as papers print it, p = .058."""
    return "p < .001" if p < 0.001 else "p = " + f"{p:.3f}".removeprefix("0")  # noqa: PLR2004


def _people(report: RehearsalReport) -> str:
    if len(report.contacts) == 1:
        return report.names.get(report.contacts[0], report.contacts[0])
    return counted(len(report.contacts), "person", "people")


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b}"


def _labelled(label: str, value: str, columns: int) -> str:
    return f"{label:{_LABEL}.{_LABEL - 1}}{value}" if columns >= _BESIDE else f"{label}: {value.strip()}"


def _wrap(text: str, indent: str = _INDENT, columns: int = _COLUMNS) -> list[str]:
    return textwrap.wrap(
        text, columns, initial_indent=indent, subsequent_indent=indent, drop_whitespace=True, break_on_hyphens=False
    )
