"""Rehearsals as they lie in a home, made up without a model, and a past that one can be made of."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from fakes.screen import NOON
from rehearse.runs import Contact, a_run
from rehearse.writers import ANA, BEN, GENERIC, Writer, surface_fixed

from secondme.core.clock import from_ms
from secondme.core.config.loader import Setup
from secondme.core.records import OwnMessage
from secondme.core.rehearse.archive import RehearsalRun, RunArchive, RunFile

LUCIA = Contact("34600111222@c.us", "Lucía")
MAMA = Contact("49301234567@c.us", "Mama")
DONE, HALF, SMALL = "2099-03-14-0a01", "2099-03-12-0b02", "2099-03-10-0c03"


def keep_run(setup: Setup, run: RehearsalRun, run_id: str, begun: datetime, micros: int = 5_000) -> None:
    """The run is in the home, as one that was begun then; each of its answers cost so much."""
    head = run.head.model_copy(update={"id": run_id, "begun_at": begun})
    path = RunArchive(setup.places.rehearsals).directory / f"{run_id}.jsonl"
    with RunFile(RehearsalRun(head), path.open("wb"), os.open(os.devnull, os.O_RDONLY)) as file:
        file._write("run", head)
        for burst in run.bursts.values():
            file.add_burst(burst)
        for material in run.materials.values():
            file.add_material(material)
        for number, answer in enumerate(run.answers.values()):
            file._line(
                {
                    "kind": "call",
                    "contact": "",
                    "key": f"{number}",
                    "micros": micros,
                    "outcome": {"text": "", "cut": False, "usage": {}},
                }
            )
            file.add_answer(answer)
        for choice in run.blind:
            file.add_choice(choice)


def runs_at_noon(setup: Setup) -> None:
    """Three rehearsals: of sixty-eight answers, of thirty in two voices, and one that ended early."""
    whole = a_run(ANA, [surface_fixed(ANA)], 68, contacts=(LUCIA, MAMA))
    for number, burst in enumerate(whole.bursts):
        if number % 15 == 3:
            held = {"outcome": "held", "reason": "prompt_leak"}
            whole.answers[burst, 0] = whole.answers[burst, 0].model_copy(update=held)
    silent = whole.answers["b7", 0].model_copy(update={"outcome": "silent", "reason": "no_reply", "reply": ()})
    whole.answers["b7", 0] = silent
    keep_run(setup, _in(whole, "home"), DONE, NOON - timedelta(hours=2))
    small = a_run(ANA, [GENERIC, replace(ANA, comma=0.3)], 30, contacts=(LUCIA,), seed=2)
    keep_run(setup, _in(small, "home", "work"), SMALL, NOON - timedelta(days=4))
    half = a_run(ANA, [BEN], 30, contacts=(MAMA,), seed=3)
    half.answers = dict(list(half.answers.items())[:12])
    keep_run(setup, _in(half, ""), HALF, NOON - timedelta(days=2))


def _in(run: RehearsalRun, *personas: str) -> RehearsalRun:
    """The same run in these voices."""
    variants = tuple(each.model_copy(update={"persona": name}) for each, name in zip(run.head.variants, personas, strict=True))
    run.head = run.head.model_copy(update={"variants": variants})
    return run


def a_past(owner: Writer, count: int, now_ms: int, seed: int = 5) -> list[OwnMessage]:
    """So many answers of the owner's to one contact, an hour apart, the last one an hour ago; each to something that was asked."""
    rng = Random(seed)
    end = from_ms(now_ms)
    return [
        OwnMessage(
            id=f"o{number:04d}",
            at=end - timedelta(hours=count - number),
            text=owner.write(rng).replace("\n", " "),
            before=f"when do we go to number {number}?",
        )
        for number in range(count)
    ]
