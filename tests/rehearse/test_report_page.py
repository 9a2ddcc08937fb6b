"""The report as a page: it says what the report says, fetches and runs nothing, and nobody's words get out of their place."""

import base64
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from functools import cache
from pathlib import Path

import pytest
from fakes.browser import BINARY, Browser
from fakes.process import eventually
from rehearse.html_page import Parsed
from rehearse.report_of import report_of
from rehearse.runs import ANA as CONTACT
from rehearse.runs import Contact, a_run
from rehearse.writers import ANA, GENERIC

from secondme.core.rehearse.archive import RehearsalRun
from secondme.core.rehearse.comparison import Strip
from secondme.core.rehearse.report_page import page
from secondme.core.rehearse.report_text import SURE
from secondme.core.rehearse.verdict import RehearsalReport


@cache
def a_big_report() -> RehearsalReport:
    return report_of(a_big_run())


def made(run: RehearsalRun, report: RehearsalReport | None = None) -> tuple[str, Parsed]:
    html = page(run, report or report_of(run), zone=UTC)
    return html, Parsed(html)


@cache
def a_big_run() -> RehearsalRun:
    """Nobody changes it."""
    run = a_run(ANA, [GENERIC, ANA], 70, contacts=(CONTACT, Contact("local:ben", "Ben García")))
    for at, (outcome, reason) in enumerate((("held", "prompt_leak"), ("silent", "empty"), ("failed", "timeout"))):
        answer = run.answers[f"b{at}", 0]
        run.answers[f"b{at}", 0] = answer.model_copy(update={"outcome": outcome, "reason": reason})
    run.bursts["b3"] = run.bursts["b3"].model_copy(update={"asks_if_machine": True})
    return run


HOSTILE = [
    "<script>document.title = 'out'</script>",
    "</style><img src=x onerror=\"document.title='out'\">",
    "\"'><svg onload=document.title='out'>",
    "</p></article></main></body><iframe src=//evil.example></iframe>",
    "<!-- & &amp; &lt;script&gt; -->",
    "{{7*7}} ${x} `rm` javascript:alert(1)",
    "\u202egnp.exe\u2066 \x00\x07\x1b[31m\ud800",
    "שלום (مرحبا) abc",
    "x" * 4000,
    "<a href='https://evil.example'>" + "\n" * 30,
]


def hostile_run() -> RehearsalRun:
    run = a_run(ANA, [GENERIC], 30, contacts=(Contact("local:<b>'\"", "<script>name</script>'\" \u202e"),))
    for at in range(30):
        words = (HOSTILE[at % len(HOSTILE)], HOSTILE[(at + 1) % len(HOSTILE)])
        burst = run.bursts[f"b{at}"]
        run.bursts[f"b{at}"] = burst.model_copy(
            update={"asked": words, "real": words, "before": (("contact", words[0]), ("owner", words[1]))}
        )
        outcome, reason = ("held", HOSTILE[at % 6]) if at % 9 == 0 else ("passed", "")
        run.answers[f"b{at}", 0] = run.answers[f"b{at}", 0].model_copy(
            update={"reply": words, "outcome": outcome, "reason": reason}
        )
    head = run.head
    run.head = head.model_copy(
        update={"variants": (head.variants[0].model_copy(update={"persona": HOSTILE[1], "model": HOSTILE[0]}),)}
    )
    return run


def test_nobodys_words_become_a_part_of_the_page() -> None:
    html, parsed = made(hostile_run())
    _, harmless = made(a_run(ANA, [GENERIC], 30))
    allowed = {tag for tag, _ in harmless.elements} | {"summary", "details"}
    assert {tag for tag, _ in parsed.elements} <= allowed
    assert not {
        name
        for _, attrs in parsed.elements
        for name in attrs
        if name.startswith("on") or name in {"src", "href", "style", "xlink:href"}
    }
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)
    html.encode()
    said = parsed.said()
    assert "<script>document.title = 'out'</script>" in said  # it is shown as it was written
    assert "x" * 4000 in said
    assert "\"'><svg onload=document.title='out'>" in said


def test_it_fetches_nothing_and_runs_nothing() -> None:
    html, parsed = made(a_big_run(), a_big_report())
    policy = next(attrs["content"] for tag, attrs in parsed.elements if attrs.get("http-equiv") == "Content-Security-Policy")
    style = next(text for tag, text in parsed.texts if tag == "style")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not re.search(r"(?i)https?:|//|url\(|@import|javascript:|<script|data:\w", html)
    assert html.index("Content-Security-Policy") < html.index("<style>")


def test_notes_that_were_shown_are_named_among_what_could_not_be_cut() -> None:
    run = a_run(ANA, [GENERIC], 3)
    assert "left out: they were written in hindsight" in made(run)[1].said()
    run.head = run.head.model_copy(update={"with_notes": True})
    assert "Your notes on the contacts, which were shown, are today's." in made(run)[1].said()


def test_every_number_is_the_reports_with_its_interval() -> None:
    run, report = a_big_run(), a_big_report()
    _, parsed = made(run, report)
    said = parsed.said()
    for told in (report.itself, report.people, report.variants[0].told, report.variants[1].told):
        assert told is not None
        low, share, high = (round(each * 100) for each in (told.low, told.share, told.high))
        assert f"{share} in 100 ({low} to {high}), of {told.n}" in said
    assert "Closer to you than the people you write to are." in said
    assert f"Rehearsal of {report.bursts} answers" in said
    assert "Held back 1 (1 prompt_leak), silent 1, failed 1, could have been sent 67." in said
    for words in ("Seed", str(report.seed), "$0.35", "sonnet-5.5", "persona1", "Not measured", "own training data", "hindsight"):
        assert words in said


def test_too_little_has_its_reason_and_no_number() -> None:
    for run, reason in (
        (a_run(ANA, [GENERIC], 12), "No number: 12 answers"),
        (a_run(ANA, [GENERIC], 30, past=10), "No number: only 20 messages of yours known"),
        (a_run(ANA, [GENERIC], 30), "a number takes 60"),
    ):
        html, parsed = made(run)
        assert reason in parsed.said()
        assert not re.search(r"\d+ in 100 \(", html)
        assert parsed.said().count(" pairs.") == 1  # lengths are counted even so
        assert len([1 for tag, _ in parsed.elements if tag == "article"]) == len(run.bursts)


def test_habits_stand_by_their_gap_and_in_words() -> None:
    run, report = a_big_run(), a_big_report()
    html, parsed = made(run, report)
    for variant in report.variants:
        part = html[html.index(f"<h2>{'AB'[variant.variant]}: ") :]
        things = ["formality, 0 to 1" if strip.feature == "formality" else strip.thing for strip in variant.strips]
        places = [part.index(f'<th scope="row">{thing}<small>') for thing in things]
        assert places == sorted(places)
        assert variant.strips[0].say(variant.strips[0].clone).removesuffix(variant.strips[0].thing).strip() in part
        inside = [strip for strip in variant.strips if strip.gap <= SURE]
        assert f"{len(inside)} habits within your own ups and downs" in part
    pictures = [attrs for tag, attrs in parsed.elements if tag == "svg" and attrs.get("role") == "img"]
    assert len(pictures) > 50
    assert all(picture["aria-label"] for picture in pictures)
    shown = [attrs for tag, attrs in parsed.elements if tag == "svg" and "overflow" not in attrs]
    assert all(attrs.get("role") == "img" or attrs.get("aria-hidden") == "true" for attrs in shown)
    heads = [attrs for tag, attrs in parsed.elements if tag == "th"]
    assert all(attrs.get("scope") in {"row", "col"} for attrs in heads)


def test_a_mark_lies_where_its_value_does() -> None:
    run, report = a_big_run(), a_big_report()
    told = report.variants[0].told
    assert told is not None
    html, _ = made(run, report)
    assert f'<svg x="{4 + told.share * 92:.2f}%" y="14" overflow="visible"><path class="clone0"' in html
    one = next(each for each in report.variants[0].strips if each.gap > SURE)
    values = [one.low, one.high, one.real, one.clone, *([] if one.contact is None else [one.contact])]
    place = 4 + (one.real - min(values)) / (max(values) - min(values)) * 92
    assert f'<svg x="{place:.2f}%" y="14" overflow="visible"><circle class="you"' in html
    assert all(0 <= float(share) <= 100 for share in re.findall(r'(?:x|x1|x2|width)="([\d.-]+)%"', html))


def test_a_habit_without_any_difference_still_has_a_picture() -> None:
    run = a_run(ANA, [ANA], 3)
    report = report_of(run)
    variant = replace(report.variants[0], strips=(Strip("links", 0.0, 0.0, 0.0, 0.0, None, 0.0),))
    html, _ = made(run, replace(report, variants=(variant,)))
    assert "you never · clone never" in html


def test_what_was_told_most_certainly_comes_first_and_what_did_not_pass_is_marked() -> None:
    run, report = a_big_run(), a_big_report()
    html, parsed = made(run, report)
    worst = {burst: max(each.right.get(burst, -1.0) for each in report.variants) for burst in run.bursts}
    times = {f"{each.at:%Y-%m-%dT%H:%M}": each.id for each in run.bursts.values()}
    order = [times[attrs["datetime"] or ""] for tag, attrs in parsed.elements if tag == "time"]
    assert sorted(order) == sorted(run.bursts)
    assert [worst[each] for each in order] == sorted(worst.values(), reverse=True)
    said = parsed.said()
    for words in (
        "held back: it would have been a draft (prompt_leak)",
        "silent: it would have said nothing",
        "the model could not be asked",
    ):
        assert said.count(words) == 1
    assert said.count("Asks whether a machine writes") == 1
    for burst in run.bursts.values():
        for message in burst.real:
            assert f'<p class="said" dir="auto">{message}</p>' in html
    assert "told by the small program" in said


def test_one_variant_that_was_told_is_worse_than_two_that_were_doubtful() -> None:
    run = a_run(ANA, [GENERIC, GENERIC], 3)
    report = report_of(run)
    rights: tuple[dict[str, float], ...] = ({"b0": 0.5, "b1": 1.0, "b2": 0.75}, {"b0": 0.75, "b1": 0.0, "b2": 0.75})
    variants = tuple(replace(each, right=right) for each, right in zip(report.variants, rights, strict=True))
    _, parsed = made(run, replace(report, variants=variants))
    times = {f"{each.at:%Y-%m-%dT%H:%M}": each.id for each in run.bursts.values()}
    assert [times[attrs["datetime"] or ""] for tag, attrs in parsed.elements if tag == "time"] == ["b1", "b2", "b0"]


def test_a_run_that_has_only_begun_is_shown_as_far_as_it_came() -> None:
    run = a_run(ANA, [GENERIC], 5)
    run.answers.clear()
    assert made(run)[1].said().count("not asked yet") == 5


def test_times_are_the_readers() -> None:
    run = a_run(ANA, [GENERIC], 3)
    html = page(run, report_of(run), zone=timezone(timedelta(hours=11)))
    burst = run.bursts["b0"]
    here = burst.at + timedelta(hours=11)
    assert f"{here.day} {here:%b %Y}, {here:%H:%M}" in html


@pytest.mark.heavy
@pytest.mark.parametrize("run", [a_big_run, hostile_run])
async def test_a_browser_shows_it_in_any_size_and_colour_and_complains_of_nothing(
    tmp_path: Path, run: Callable[[], RehearsalRun]
) -> None:
    if BINARY is None:
        said = "needs Chromium: apt-get install chromium"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    path = tmp_path / "report.html"
    path.write_text(made(run())[0], "utf-8")
    grounds = set()
    async with Browser(tmp_path / "profile") as browser:
        for width in (390, 1200):
            for scheme in ("light", "dark"):
                await browser.resize(width, 800)
                await browser.prefer(scheme)
                await browser.call("Page.navigate", url=path.as_uri())
                await eventually(
                    lambda: browser.evaluate("document.readyState === 'complete' && document.querySelectorAll('article').length")
                )
                assert await browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
                assert await browser.evaluate("document.title") == "Rehearsal"
                grounds.add(await browser.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert len(grounds) == 2  # the styles are let in, and follow the reader
        assert set(browser.requests) == {path.as_uri()}
        assert browser.errors == []
