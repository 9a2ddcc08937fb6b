"""Rehearsals on the screen: begun after the cost was said, stopped and gone on with, read side by side, tried by the owner, deleted."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.messages_api import Fail, MessagesApi, Say, messages_api
from fakes.process import environment, settings_of
from fakes.rehearsals import DONE, HALF, SMALL, a_past, keep_run, runs_at_noon
from fakes.screen import HOSTILE, NOON, OBEYED, Screen, StoppedClock, shown
from fakes.town import Town
from rehearse.runs import a_run
from rehearse.writers import ANA, GENERIC
from tui.test_page_rows import WIDTHS, faults
from tui.test_shell import SIZES, check

from secondme.core.clock import SystemClock
from secondme.core.config.loader import Setup, load
from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.records import ApprovedContact
from secondme.core.rehearse.archive import RehearsalRun, RunArchive
from secondme.core.rehearse.blind import BlindTest
from secondme.core.store.client import Store
from secondme.core.store.server import Role
from secondme.services import Services

ANNA = ContactId("local:anna")
OpenScreen = Callable[..., Any]


def archive(setup: Setup) -> RunArchive:
    return RunArchive(setup.places.rehearsals)


def sheet(on: Screen) -> str:
    return " ".join(on.sheet("rehearsal").split())


def lines(on: Screen) -> list[str]:
    return [" ".join(line.split()) for line in on.lines("rehearsal")]


def seen(on: Screen) -> str:
    """What is on the screen, without frames, in single blanks."""
    return " ".join(re.sub("[│╭╮╰╯─┃▌]", " ", shown(on)).split())


async def opened(on: Screen) -> None:
    await on.press("8")
    await on.until(lambda: on.keys("voice"))
    await on.press("r")
    await on.until(lambda: on.app.page.page_id == "rehearsal" and "Looking" not in shown(on))


@pytest.fixture
async def api() -> AsyncIterator[MessagesApi]:
    async with messages_api() as server:
        server.script = lambda _: Say(f"vale {len(server.requests)}", usage=(100, 20, 0, 0))
        yield server


def asking(town: Town, api: MessagesApi) -> Setup:
    model = {"model.api_key": "sk-test", "model.base_url": api.url}
    given = {"redis_url": town.setup.settings.redis_url, "pacing.enabled": False, "sleep.enabled": False, "persona.name": "Sam"}
    return load({**given, **model}, {}, home=town.setup.places.config)


async def remembered(town: Town) -> None:
    """Anna was let in, and seventy answers to her are known: before ten of them stand sixty."""
    await town.let_in("anna")
    await town.services.style.add(ANNA, a_past(ANA, 70, town.clock.now_ms()))


async def asked_for(on: Screen, count: int) -> None:
    """A new one of so many answers; the cost is on the screen."""
    await on.dialog("RunDialog")
    on.input().value = str(count)
    await on.press("enter")
    await on.dialog("ConfirmDialog")


# A run


async def test_nothing_is_paid_before_the_cost_is_said_and_nothing_is_sent(
    town: Town, screen: OpenScreen, api: MessagesApi
) -> None:
    await remembered(town)
    folder = town.setup.places.personas
    folder.mkdir(parents=True)
    (folder / "home.md").write_text("---\nname: Home\n---\nShort.\n")
    before = {key: await town.store.client.dump(key) for key in await town.raw_keys("*")}
    async with screen(size=(140, 40), home=asking(town, api)) as on:
        await opened(on)
        assert "Nothing is sent, and nothing is learnt." in seen(on)
        assert "says what it costs, and asks, before anything is paid" in seen(on)
        for keys_ in (("r", "escape"), ("r", "enter", "enter"), ("n", "enter", "escape"), ("enter",), ("b",), ("d",)):
            await on.press(keys_[0])
            for kind, key in zip(("RunDialog", "ConfirmDialog"), keys_[1:], strict=False):
                await on.dialog(kind)
                await on.press(key)
            await on.closed()
        for wrong, said in (("0", "How many: 1 to 500"), ("many", "How many"), ("501", "How many")):
            await on.press("r")
            await on.dialog("RunDialog")
            on.input().value = wrong
            await on.press("enter")
            assert said in seen(on)
            await on.press("escape")
            await on.closed()
        assert api.requests == [] == archive(town.setup).all()
        assert {key: await town.store.client.dump(key) for key in await town.raw_keys("*")} == before
        await on.press("r")
        await on.dialog("RunDialog")
        on.app.screen.query_one("#voice-0").value = True  # type: ignore[attr-defined]  # a box to tick
        await asked_for(on, 3)
        assert "Rehearse 3 answers?" in seen(on)
        assert re.search(r"About \$0\.\d+, and it stops before it costs more than \$0\.50\.", seen(on))
        await on.press("y")
        await on.said("The rehearsal is done")
        (run,) = archive(town.setup).all()
        assert (run.is_complete, len(run.bursts), run.head.variants[0].persona) == (True, 3, "home")
        await on.until(lambda: re.search(r"too few of yours home 3 answers \$0\.\d+$", lines(on)[0]))
        await on.until(lambda: "Rehearsal of 3 answers to Anna" in sheet(on))
    assert await town.raw_keys("OUTBOX*") == await town.raw_keys("HELD:*") == []
    assert len(api.requests) == 3


async def test_it_runs_beside_the_screen_is_stopped_and_gone_on_with_and_nothing_is_paid_twice(
    town: Town, screen: OpenScreen, api: MessagesApi
) -> None:
    await remembered(town)
    api.script = lambda _: (api.gate.clear() if len(api.requests) == 2 else None) or Say(f"vale {len(api.requests)}")
    async with screen(size=(100, 30), home=asking(town, api)) as on:
        await opened(on)
        await on.press("r")
        await asked_for(on, 5)
        await on.press("y")
        await on.until(lambda: on.keys("rehearsal") and "2 of 5" in lines(on)[0] and "2 of 5" in sheet(on))
        await on.press("1", "2")  # nothing waits for it
        await on.until(lambda: on.app.page.page_id == "chats")
        await opened(on)
        await on.press("n")
        await on.said("under way")
        assert "d Stop it" in on.hints
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.until(lambda: "not finished" in lines(on)[0] and "2 of 5. r goes on with it" in sheet(on))
        assert "You stopped it." in sheet(on)
        asked = len(api.requests)
        api.script, api.outcomes = (lambda _: Say("venga")), []
        api.gate.set()
        await on.press("r")
        await on.dialog("ConfirmDialog")
        assert "Go on with 5 answers?" in seen(on)
        assert re.search(r"About \$0\.\d+ more, and it stops before it costs more than \$0\.\d+ more\.", seen(on))
        await on.press("enter")  # Cancel has the focus
        await on.closed()
        assert len(api.requests) == asked
        await on.press("r")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.until(lambda: any("is done" in toast for toast in on.toasts))
        (run,) = archive(town.setup).all()
        assert run.is_complete
        assert len(api.requests) == asked + 3
        await on.until(lambda: "not finished" not in lines(on)[0])


@pytest.mark.parametrize(
    ("failure", "said"),
    [(Fail(401, "authentication_error"), "key"), (Fail(529, "overloaded_error"), "did not answer several times in a row")],
    ids=["key", "away"],
)
async def test_what_ends_it_early_is_said_in_one_line_and_it_can_be_gone_on_with(
    town: Town, screen: OpenScreen, api: MessagesApi, failure: Fail, said: str
) -> None:
    await remembered(town)
    api.script = lambda _: failure
    async with screen(size=(120, 30), home=asking(town, api)) as on:
        await opened(on)
        await on.press("r")
        await asked_for(on, 4)
        await on.press("y")
        await on.until(lambda: on.keys("rehearsal") and "not finished" in lines(on)[0] and "0 of 4" in sheet(on))
        assert said in sheet(on)
        assert "r Go on" in on.hints
        assert not any("\n" in toast for toast in on.toasts)
        api.script = lambda _: Say("venga")
        await on.press("r")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.until(lambda: archive(town.setup).all()[0].is_complete)


async def test_a_gateway_gets_the_store_while_it_runs_and_leaving_ends_it(home: Path, screen: OpenScreen, api: MessagesApi) -> None:
    private = settings_of(home, **{"model.api_key": "sk-test", "model.base_url": api.url})
    async with Store(private, Role.OWN) as store:
        services = Services(private, store)
        contact = ApprovedContact(
            contact_id=ANNA, phone_number="", display_name="Anna", approved_at=NOON, approved_by="t", tier=Tier.STANDARD
        )
        await store.client.set(f"PAIRING:approved:{ANNA}", contact.encode())
        await store.client.zadd("PAIRING:index:approved", {ANNA: 1})
        await services.style.add(ANNA, a_past(ANA, 70, SystemClock().now_ms()))
    api.gate.clear()
    async with screen(size=(100, 30), home=private) as on:
        await opened(on)
        await on.press("r")
        await asked_for(on, 2)
        await on.press("y")
        await on.until(lambda: api.requests)
        async with Store(private, Role.OWN):
            await on.until(lambda: "a gateway took it over" in sheet(on))
            assert "not finished" in lines(on)[0]
            await on.press("r")
            await on.dialog("ConfirmDialog")
            await on.press("y")
            await on.until(lambda: len(api.requests) == 2)
    assert [len(run.answers) for run in archive(private).all()] == [0]


# What it says


@pytest.mark.parametrize(
    ("count", "said", "refusal"),
    [
        (
            None,
            "Nobody was let in yet whose past there is. A chat's export does too: secondme rehearse --import FILE",
            "Nobody was let in",
        ),
        (0, "none is known. A chat's export has them: secondme import whatsapp FILE --contact ID", "No message of yours is known"),
        (12, "more than 60 messages of yours to one person, and 12 are known", "12 messages of yours are known"),
        (70, "r begins", ""),
    ],
    ids=["nobody", "nothing", "little", "enough"],
)
async def test_without_a_run_it_says_what_it_is_and_how_to_begin(
    town: Town, screen: OpenScreen, count: int | None, said: str, refusal: str
) -> None:
    if count is not None:
        await town.let_in("anna")
        await town.services.style.add(ANNA, a_past(ANA, count, town.clock.now_ms()))
    async with screen(size=(80, 24)) as on:
        await opened(on)
        assert said in seen(on)
        assert "Does it sound like you?" in seen(on)
        if refusal:
            await on.press("r")
            await on.dialog("RunDialog")
            await on.press("enter")
            await on.said(refusal)
            await on.closed()
        await on.press("escape")
        await on.until(lambda: on.app.page.page_id == "voice")


async def test_the_palette_leads_to_it_the_help_has_its_keys_and_escape_leads_back(setup: Setup, screen: OpenScreen) -> None:
    keep_run(setup, a_run(ANA, [GENERIC], 3), SMALL, NOON - timedelta(days=1))
    async with screen(size=(100, 40), clock=StoppedClock()) as on:
        await on.press("ctrl+p")
        await on.write("rehearse")
        await on.until(lambda: "Rehearse: hear how much it sounds like you" in shown(on))
        await on.press("down", "enter")
        await on.until(lambda: on.keys("rehearsal") == [SMALL])
        assert "8 Voice" in on.text("#nav")
        await on.press("question_mark")
        await on.dialog("HelpDialog")
        assert "On Rehearsal" in seen(on)
        assert "blind test: which of two is yours?" in seen(on)
        await on.press("escape", "enter")
        await on.until(lambda: "Side by side" in shown(on))
        await on.press("escape")
        assert on.app.page.page_id == "rehearsal"
        await on.press("escape")
        await on.until(
            lambda: on.app.page.page_id == "voice" and "r rehearses it on your own past" in " ".join(on.sheet("voice").split())
        )


async def test_a_number_is_said_only_of_enough_and_enter_shows_the_worst_first(setup: Setup, screen: OpenScreen) -> None:
    runs_at_noon(setup)
    async with screen(size=(140, 45), clock=StoppedClock()) as on:
        await opened(on)
        await on.until(lambda: not any("Looking" in line for line in lines(on)))
        whole, half, small = lines(on)
        assert re.fullmatch(r"14 Mar \d\d:00 told \d+ in 100 home 68 answers \$0\.34", whole)
        assert re.fullmatch(r"12 Mar \d\d:00 not finished sonnet-5.5 30 answers \$0\.06", half)
        assert re.fullmatch(r"10 Mar \d\d:00 clearly not you / (clearly you|cannot say) home, work 30 answers \$0\.30", small)
        assert "Rehearsal of 68 answers to 2 people" in sheet(on)
        assert max(map(len, on.sheet("rehearsal").split("\n"))) <= 80
        await on.press("enter")
        run = archive(setup).load(DONE)
        told = on.page("rehearsal")._drawing.runs[DONE].report.variants[0].right
        order = [each.id for each in sorted(run.bursts.values(), key=lambda each: (-told.get(each.id, -1), each.at))]
        await on.until(lambda: "what was told the most certainly first" in sheet(on))
        firsts = [" ".join(run.bursts[each].asked).split()[:4] for each in order]
        places = [sheet(on).index(f"{number} of 68 ") for number in range(1, 69)]
        assert places == sorted(places)
        for place, words in zip(places, firsts, strict=True):
            assert " ".join(words) in sheet(on)[place : place + 900]
        for word in ("held back", "↳ prompt leak", "said nothing"):
            assert word in sheet(on)


def hostile_run() -> RehearsalRun:
    """Everybody says what nobody should trust, and is called so."""
    run = a_run(ANA, [ANA, GENERIC], 24, seed=4, past=120)
    texts = [text for text in HOSTILE if text.isprintable() or "\ud83d" not in text]
    for number, (key, burst) in enumerate(list(run.bursts.items())):
        text = texts[number % len(texts)] or "x"
        run.bursts[key] = burst.model_copy(
            update={"asked": (text, text), "real": (text,), "before": (("owner", text), ("contact", text))}
        )
        for variant in (0, 1):
            answer = run.answers[key, variant]
            outcome = ("passed", "held", "silent", "failed")[number % 4]
            run.answers[key, variant] = answer.model_copy(update={"reply": (text,) * 2, "outcome": outcome, "reason": text})
    run.materials = {who: each.model_copy(update={"name": texts[2] + texts[4] + "表" * 30}) for who, each in run.materials.items()}
    variant = run.head.variants[0].model_copy(update={"persona": "表" * 30, "model": "[red]x"})
    run.head = run.head.model_copy(update={"variants": (variant, run.head.variants[1])})
    return run


async def test_nobodys_words_are_obeyed_and_rows_fit_every_width(setup: Setup, screen: OpenScreen) -> None:
    keep_run(setup, hostile_run(), SMALL, NOON - timedelta(days=1))
    async with screen(size=(100, 30), clock=StoppedClock()) as on:
        await opened(on)
        await on.until(lambda: "Looking" not in sheet(on))
        page = on.page("rehearsal")
        assert [fault for width in WIDTHS for fault in faults(page, SMALL, width)] == []
        for width in WIDTHS:
            drawn = page._drawing.side_by_side(SMALL, width)
            assert max(line.cell_length for line in drawn.split("\n", allow_blank=True)) <= width
            assert not OBEYED.search(drawn.plain)
            _, _, said = drawn.plain.partition("\n\n")
            assert not re.search(r"^[^ ┃│◁▶◆↳\d\n]", said, re.MULTILINE)  # every line says whose it is
        await on.press("b")
        await on.dialog("ChoiceDialog")
        await on.press("enter")
        await on.until(lambda: type(on.app.screen).__name__ in {"BlindDialog", "SheetDialog"})
        assert not OBEYED.search(shown(on))


async def test_it_fits_at_every_size(setup: Setup, screen: OpenScreen) -> None:
    keep_run(setup, a_run(ANA, [GENERIC], 20, seed=6, past=110), SMALL, NOON - timedelta(days=1))
    async with screen(size=SIZES[-1], clock=StoppedClock()) as on:
        await opened(on)
        await on.until(lambda: on.keys("rehearsal") and "Looking" not in shown(on))
        for size in SIZES:
            await on.pilot.resize_terminal(*size)
            await on.until(lambda size=size: len(on.app.screen._compositor.render_strips()) == size[1])
            await check(on, size)
            await on.press("enter")
            await check(on, size)
            await on.until(lambda: "1 of 20" in shown(on))
            if size not in {SIZES[0], (80, 24), SIZES[-1]}:
                await on.press("escape")
                continue
            for key, kind, said in (
                ("b", "BlindDialog", "Which one is yours?"),
                ("n", "RunDialog", "Rehearse your own past"),
                ("d", "ConfirmDialog", "Delete the rehearsal"),
            ):
                await on.press(key)
                await on.dialog(kind)
                assert said in shown(on)
                await on.press("escape")
                await on.closed()
            await on.press("escape")


# The owner's own test


async def test_the_owner_tells_for_themselves_hears_nothing_before_the_end_and_goes_on_later(
    setup: Setup, screen: OpenScreen
) -> None:
    keep_run(setup, a_run(ANA, [GENERIC], 24, seed=6, past=110), SMALL, NOON - timedelta(days=1))
    items = BlindTest(archive(setup).load(SMALL), 0).open(24)
    async with screen(size=(100, 30), clock=StoppedClock()) as on:
        await opened(on)
        await on.until(lambda: "b Blind test" in on.hints)
        await on.press("b")
        await on.dialog("BlindDialog")
        await on.until(lambda: "1 of 20" in shown(on))
        for item in items[:3]:
            assert " ".join(" ".join(item.burst.asked).split()[:3]) in seen(on)
            await on.press("a" if item.is_a else "b")
        await on.press("question_mark", "r")
        assert "5 of 20" in shown(on)  # what is remembered is no test, and another one comes for it
        assert not re.search("You were|wrong|by guessing", seen(on), re.IGNORECASE)
        await on.press("escape")
        await on.said("Kept. b goes on with it")
        await on.until(lambda: "4 of 20 pairs are answered" in sheet(on))
        assert "You were right" not in sheet(on)
        said = [each.said for each in archive(setup).load(SMALL).blind]
        assert said == ["real", "real", "real", "no_idea", "remembered"]
        await on.press("b")
        await on.dialog("BlindDialog")
        await on.until(lambda: "5 of 20" in shown(on))
        await on.press(*"a" * 16)
        await on.dialog("SheetDialog")
        summary = BlindTest(archive(setup).load(SMALL), 0).summary(20)
        assert (summary.is_done, summary.n, summary.remembered) == (True, 20, 1)
        assert f"You were right in {summary.right} of 20" in seen(on)
        await on.press("escape")
        await on.until(lambda: f"You were right in {summary.right} of 20" in sheet(on))
        await on.press("b")
        await on.dialog("SheetDialog")
        assert "b 20 more" in seen(on)
        await on.press("b")
        await on.dialog("BlindDialog")
        await on.press("escape")
        await on.closed()


# Deleting, and what is imported


async def test_deleting_asks_first(setup: Setup, screen: OpenScreen) -> None:
    keep_run(setup, a_run(ANA, [GENERIC], 3), SMALL, NOON - timedelta(days=1))
    keep_run(setup, a_run(ANA, [GENERIC], 3), HALF, NOON - timedelta(days=31))
    async with screen(size=(80, 24), clock=StoppedClock()) as on:
        await opened(on)
        await on.until(lambda: on.keys("rehearsal") == [SMALL])  # the other one is older than thirty days
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await on.press("enter")
        await on.closed()
        assert len(archive(setup).all()) == 1
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("The rehearsal is gone")
        assert archive(setup).all() == []
        await on.until(lambda: "Does it sound like you?" in seen(on))


def test_the_screen_pays_for_rehearsals_only_where_they_are_looked_at() -> None:
    probe = (
        "import sys, secondme.cli.tui.app, secondme.cli.tui.pages.today, secondme.cli.tui.pages.voice, secondme.cli.tui.commands\n"
        "print([name for name in sys.modules if name.startswith(('secondme.core.rehearse', 'secondme.rehearsal_desk'))])"
    )
    found = subprocess.run(
        [sys.executable, "-c", probe], env=environment(COVERAGE_PROCESS_CONFIG=""), capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
