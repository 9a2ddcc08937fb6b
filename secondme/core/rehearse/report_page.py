"""A rehearsal's report as one page: a file that fetches nothing and runs nothing, with the answers side by side. Private words are in it.

Every number is the report's. What a person wrote goes through `html_text`, and nothing else does what it says.
"""

from __future__ import annotations

from base64 import b64encode
from bisect import bisect_left
from hashlib import sha256
from html import escape
from string import ascii_uppercase
from typing import TYPE_CHECKING, NamedTuple

from secondme.core.files import packaged
from secondme.core.format import counted, money
from secondme.core.rehearse.comparison import paired
from secondme.core.rehearse.report_text import ADVICE, PLACES, SURE, WHY, WORDS, contrast, details, news
from secondme.core.rehearse.verdict import ENOUGH
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, tzinfo

    from secondme.core.rehearse.archive import RehearsalRun
    from secondme.core.rehearse.comparison import Strip
    from secondme.core.rehearse.records import PastBurst, RehearsedAnswer
    from secondme.core.rehearse.verdict import RehearsalReport, Told, VariantReport

_LENGTHS = (5, 10, 20, 40, 80, 160, 320)
"""Characters up to which answers are counted together; each twice the one before, as lengths vary."""
_MARGIN = 4.0
"""Of a hundred, at both ends of an axis: half a mark."""
_SHAPES = {
    "you": '<circle class="you" r="6"/>',
    "them": '<rect class="them" x="-5" y="-5" width="10" height="10"/>',
    "clone0": '<path class="clone0" d="M0-8 8 0 0 8-8 0z"/>',
    "clone1": '<path class="clone1" d="M0-8 8 6H-8z"/>',
    "clone2": '<path class="clone2" d="M0 8 8-6H-8z"/>',
}
"""A mark's shape says what it is where its colour does not."""
_CERTAIN = (
    (0.99, "told by the small program"),
    (0.51, "mostly told"),
    (0.49, "told as often as not"),
    (0.01, "mostly taken for you"),
)
_NOT_MEASURED = (
    "Whether what it says is true, tactful or wise.",
    "Whether the people you write to would notice: a small program looked, and it looks at other things than a person does.",
    "Next year: you change, and this is about the time above.",
)
_NOT_CUT = (
    "Persona files, the style guide and your settings are today's.",
    "The model's own training data: it may know what happened after.",
)


def page(run: RehearsalRun, report: RehearsalReport, *, zone: tzinfo) -> str:
    """The whole report as HTML, times in `zone`. It has no script and no address in it, and forbids both."""
    when = f", {_day(report.since, zone)} to {_day(report.until, zone)}" if report.since and report.until else ""
    people = ", ".join(_name(report, each) for each in report.contacts)
    body = [
        f"<h1>Rehearsal of {counted(report.bursts, 'answer')}</h1>",
        f'<p class="soft">To {people}{when}. Nothing was sent.</p>',
        *_scale(report),
        *(part for variant in report.variants for part in _variant(run, report, variant)),
        *_side_by_side(run, report, zone),
        *_method(run, report, zone),
    ]
    return document("Rehearsal", "".join(body))


def document(title: str, body: str, script: str = "") -> str:
    """A page that fetches nothing, in the colours that its reader prefers; only this `script` may run, none when there is none."""
    style = packaged("rehearse", "page.css")
    policy = f"default-src 'none'; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    runs = f"; script-src {_hash(script)}" if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}{runs}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">'
        f"<title>{title}</title><style>{style}</style></head>\n<body><main>{body}</main>"
        + (f"<script>{script}</script>" if script else "")
        + "</body></html>\n"
    )


def said(messages: Iterable[str]) -> str:
    """Messages of a person's or of the clone's, each as it would have been sent."""
    return "".join(f'<p class="said" dir="auto">{html_text(each)}</p>' for each in messages)


def talk(before: Iterable[tuple[str, str]], asked: Iterable[str], who: Mapping[str, str]) -> str:
    """What was said before an answer: the last turns, and what is answered. `who`, as HTML, are the contact and the owner."""
    turns = [*before, *(("contact", each) for each in asked)]
    return f'<div class="talk">{"".join(f"<p>{who[each]}: <bdi>{html_text(text)}</bdi></p>" for each, text in turns)}</div>'


def html_text(value: str) -> str:
    """Somebody's words as text of a page: nothing in them is obeyed, and nothing hides."""
    return escape(safe_text(value))


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _name(report: RehearsalReport, contact: str) -> str:
    return f"<bdi>{html_text(safe_name(report.names.get(contact, '')) or contact)}</bdi>"


def _day(moment: datetime, zone: tzinfo) -> str:
    here = moment.astimezone(zone)
    return f"{here.day} {here:%b %Y}"


def _label(report: RehearsalReport, variant: VariantReport) -> str:
    letter = f"{ascii_uppercase[variant.variant % 26]}: " if len(report.variants) > 1 else ""
    return f"{letter}{html_text(variant.persona) or 'each contact’s own persona'}, {html_text(variant.model)}"  # noqa: RUF001


def _kind(variant: int) -> str:
    return f"clone{variant % 3}"


def _key(kind: str, text: str) -> str:
    return f'<span><svg class="key" viewBox="-8 -8 16 16" aria-hidden="true">{_SHAPES[kind]}</svg>{text}</span>'


class _Axis(NamedTuple):
    """Numbers from `low` to `high`, as places from left to right in a picture as wide as there is room."""

    low: float
    high: float

    def at(self, value: float) -> str:
        share = (value - self.low) / ((self.high - self.low) or 1)
        return f"{_MARGIN + share * (100 - 2 * _MARGIN):.2f}%"

    def mark(self, kind: str, value: float) -> str:
        return f'<svg x="{self.at(value)}" y="14" overflow="visible">{_SHAPES[kind]}</svg>'


def _picture(words: str, parts: Iterable[str], height: int = 28) -> str:
    return f'<svg role="img" aria-label="{words}" height="{height}">{"".join(parts)}</svg>'


def _table(caption: str, heads: Sequence[str], rows: Iterable[tuple[str, str, str]]) -> str:
    """A row is what it is of, its values in words, and a picture of them."""
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    cells = "".join(f'<tr><th scope="row">{what}<small>{words}</small></th><td>{drawn}</td></tr>' for what, words, drawn in rows)
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>"


# Told from the owner


def _scale(report: RehearsalReport) -> Iterator[str]:
    yield "<section><h2>Told from you by a small program</h2>"
    yield (
        "<p>It is shown your answer and another to the same words, and says which is not yours. "
        "50 in 100: it cannot tell. The first two rows are the measure: you beside yourself, and somebody else beside you.</p>"
    )
    rows = [("you", "You, other answers", report.itself, report.itself_pairs)]
    people = _name(report, report.contacts[0]) if len(report.contacts) == 1 else "The people you write to"
    rows.append(("them", people, report.people, report.people_pairs))
    rows += [(_kind(each.variant), _label(report, each), each.told, each.comparison.pairs) for each in report.variants]
    words = {each.variant: each.word for each in report.variants}
    drawn = [
        (f"{_key(kind, what)}", *_told(kind, told, pairs, words.get(number - 2, "")))
        for number, (kind, what, told, pairs) in enumerate(rows)
    ]
    caption = "How often in 100 it was right, with the interval that 95 of 100 such measurements keep. Dashed: it cannot tell."
    yield _table(caption, ("answers of", "0 to 100"), drawn)
    for variant in report.variants:
        if variant.place and variant.headline != "held":
            yield f"<p><strong>{_label(report, variant)}:</strong> {PLACES[variant.place]}</p>"
        elif variant.told and not variant.told.has_number:
            yield f"<p>Of {variant.told.n} answers only what is clear can be said; a number takes {ENOUGH}.</p>"
    for each in report.contrasts:
        yield f"<p>{contrast(each)}</p>"
    yield "</section>"


def _told(kind: str, told: Told | None, pairs: int, word: str) -> tuple[str, str]:
    """A row's words and picture; no number of too few."""
    if told is None:
        return f"too little to say: {counted(pairs, 'answer')}", ""
    if not told.has_number:
        return f"{WORDS[word or told.word]}, by {counted(told.n, 'answer')}", ""
    share, low, high = (round(each * 100) for each in (told.share, told.low, told.high))
    words = f"{share} in 100 ({low} to {high}), of {told.n}"
    axis = _Axis(0, 100)
    lines = [
        f'<line class="line" x1="{axis.at(0)}" x2="{axis.at(100)}" y1="14" y2="14"/>',
        f'<line class="even" x1="{axis.at(50)}" x2="{axis.at(50)}" y1="0" y2="28"/>',
        f'<line class="reach {kind}" x1="{axis.at(told.low * 100)}" x2="{axis.at(told.high * 100)}" y1="14" y2="14"/>',
    ]
    return words, _picture(words, [*lines, axis.mark(kind, told.share * 100)])


# One way of answering


def _variant(run: RehearsalRun, report: RehearsalReport, variant: VariantReport) -> Iterator[str]:
    yield f"<section><h2>{_label(report, variant)}</h2>"
    for each in (*news(report, variant), *details(variant)):
        yield f"<p>{html_text(each)}</p>"
    advised = [each for each in variant.advice if each.code]
    if advised:
        yield "<h3>What that speaks for</h3><ul>"
        yield from (f"<li>{_name(report, each.contact)}: {ADVICE[each.code]} ({WHY[each.why]}).</li>" for each in advised)
        yield "</ul>"
    yield from _strips(variant)
    yield from _histogram(run, variant)
    yield "</section>"


def _strips(variant: VariantReport) -> Iterator[str]:
    if not variant.strips:
        return
    kind = _kind(variant.variant)
    apart = [each for each in variant.strips if each.gap > SURE]
    alike = variant.strips[len(apart) :]
    keys = [_key("you", "your answers to the same words"), _key("them", "the people you write to"), _key(kind, "the clone")]
    band = '<span><svg class="key" viewBox="-8 -8 16 16" aria-hidden="true"><rect class="band" x="-8" y="-8" width="16" height="16"/></svg>'
    yield f'<h3>Habits, widest gap first</h3><p class="keys soft">{"".join(keys)}{band}your own ups and downs in as many answers</span></p>'
    if apart:
        yield _table(
            "The clone differs by more than you from yourself.", ("habit", "less to more"), (_strip(each, kind) for each in apart)
        )
    else:
        yield "<p>No habit differs by more than you differ from yourself.</p>"
    if alike:
        yield f"<details><summary>{counted(len(alike), 'habit')} within your own ups and downs</summary>"
        yield _table("No wider apart than you from yourself.", ("habit", "less to more"), (_strip(each, kind) for each in alike))
        yield "</details>"


def _strip(strip: Strip, kind: str) -> tuple[str, str, str]:
    marks = {"you": strip.real, kind: strip.clone} | ({} if strip.contact is None else {"them": strip.contact})
    who = {"you": "you", "them": "they", kind: "clone"}
    words = " · ".join(f"{who[each]} {strip.say(value).removesuffix(strip.thing).strip()}" for each, value in marks.items())
    values = [strip.low, strip.high, *marks.values()]
    axis = _Axis(min(values), max(values))
    left, right = axis.at(strip.low), axis.at(strip.high)
    width = float(right[:-1]) - float(left[:-1])
    parts = [
        f'<rect class="band" x="{left}" width="{max(width, 0.8):.2f}%" y="3" height="22" rx="3"/>',
        f'<line class="line" x1="{axis.at(axis.low)}" x2="{axis.at(axis.high)}" y1="14" y2="14"/>',
        *(axis.mark(each, marks[each]) for each in ("them", "you", kind) if each in marks),
    ]
    thing = "formality, 0 to 1" if strip.feature == "formality" else strip.thing
    return thing, words, _picture(f"{thing}: {words}", parts)


def _histogram(run: RehearsalRun, variant: VariantReport) -> Iterator[str]:
    answers = [each for each in run.answers.values() if each.variant == variant.variant]
    pairs, kind = paired([*run.bursts.values()], answers), _kind(variant.variant)
    if not pairs:
        return
    counts = {each: [0] * (len(_LENGTHS) + 1) for each in ("you", kind)}
    for pair in pairs:
        counts["you"][bisect_left(_LENGTHS, len(pair.real))] += 1
        counts[kind][bisect_left(_LENGTHS, len(pair.reply))] += 1
    most = max(map(max, counts.values()))
    names = [f"{low + 1} to {high}" for low, high in zip((0, *_LENGTHS), _LENGTHS, strict=False)] + [f"over {_LENGTHS[-1]}"]
    rows, filled = [], [at for at in range(len(names)) if any(each[at] for each in counts.values())]
    for at in range(filled[0], filled[-1] + 1):
        name, you, clone = names[at], counts["you"][at], counts[kind][at]
        bars = (
            f'<rect class="{each}" y="{top}" height="10" rx="2" width="{counts[each][at] / most * 100:.1f}%"/>'
            for each, top in (("you", 3), (kind, 15))
        )
        rows.append((name, f"you {you} · clone {clone}", _picture(f"{name} characters: you {you}, clone {clone}", bars)))
    yield f'<h3>How long the answers are</h3><p class="keys soft">{_key("you", "you, the upper bar")}{_key(kind, "the clone, the lower bar")}</p>'
    yield _table(f"Answers by their characters, of {counted(len(pairs), 'pair')}.", ("characters", "answers"), rows)


# Side by side


def _side_by_side(run: RehearsalRun, report: RehearsalReport, zone: tzinfo) -> Iterator[str]:
    right = [each.right for each in report.variants]

    def worst(burst: PastBurst) -> tuple[float, float, datetime]:
        found = [each[burst.id] for each in right if burst.id in each]
        return (-max(found, default=-1.0), -sum(found), burst.at)

    order = "most certainly told first, then what was not judged" if any(right) else "oldest first"
    yield f'<section><h2>Side by side</h2><p class="soft">Every answer: {order}.</p>'
    for number, burst in enumerate(sorted(run.bursts.values(), key=worst), 1):
        name, at = _name(report, burst.contact), burst.at.astimezone(zone)
        yield f'<article><header><span>{number}. {name}</span><time datetime="{at:%Y-%m-%dT%H:%M}">{_day(at, zone)}, {at:%H:%M}</time></header>'
        if burst.asks_if_machine:
            yield '<p class="soft">Asks whether a machine writes: a matter of honesty, not of style.</p>'
        yield f'{talk(burst.before, burst.asked, {"contact": name, "owner": "you"})}<div class="pair"><div><h4>{_key("you", "You")}</h4>{said(burst.real)}</div>'
        for variant in report.variants:
            answer = run.answers.get((burst.id, variant.variant))
            label = _label(report, variant) if len(report.variants) > 1 else "Clone"
            became = _became(answer, variant.right.get(burst.id))
            yield f"<div><h4>{_key(_kind(variant.variant), label)}</h4>{became}{said(answer.reply if answer else ())}</div>"
        yield "</div></article>"
    yield "</section>"


def _became(answer: RehearsedAnswer | None, right: float | None) -> str:
    """What became of the clone's answer, or how certainly it was told."""
    if answer is None or answer.outcome == "failed":
        return f'<p class="soft bad">{"the model could not be asked" if answer else "not asked yet"}</p>'
    if answer.outcome != "passed":
        what = "held back: it would have been a draft" if answer.outcome == "held" else "silent: it would have said nothing"
        return f'<p class="soft bad">{what}{f" ({html_text(answer.reason)})" if answer.reason else ""}</p>'
    if right is None:
        return ""
    return f'<p class="soft">{next((text for least, text in _CERTAIN if right >= least), "taken for you")}</p>'


# Method


def _method(run: RehearsalRun, report: RehearsalReport, zone: tzinfo) -> Iterator[str]:
    notes = ["Your notes on the contacts, which were shown, are today's."] if run.head.with_notes else []
    pairs = ", ".join(f"{_label(report, each)}: {each.comparison.pairs}" for each in report.variants)
    facts = {
        "Begun": _day(run.head.begun_at, zone),
        "Answers": f"{counted(report.bursts, 'answer')} of yours, by hand",
        "Judged": pairs,
        "Known of you": f"{counted(report.own_messages, 'message')} of yours to them",
        "Cost": ", ".join(f"{_label(report, each)}: {money(each.micros)}" for each in report.variants),
        "Notes": "shown" if run.head.with_notes else "left out: they were written in hindsight",
        "Seed": str(report.seed),
        "Source": "an export that was read for this alone" if run.head.source else "what is known of the contacts",
    }
    yield "<section><h2>How it was done</h2><p>The clone was given your past, burst by burst, with what was known then and nothing later.</p><dl>"
    yield from (f"<dt>{term}</dt><dd>{words}</dd>" for term, words in facts.items())
    yield "</dl>"
    for title, points in (("Not measured", _NOT_MEASURED), ("Could not be cut", (*_NOT_CUT, *notes))):
        yield f"<h3>{title}</h3><ul>{''.join(f'<li>{each}</li>' for each in points)}</ul>"
    yield "</section>"
