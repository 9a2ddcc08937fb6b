"""Made-up rehearsals, without a model: an owner and those who answer in their place."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from rehearse.writers import BEN, Writer, some

from secondme.core.rehearse.archive import RehearsalRun
from secondme.core.rehearse.records import Material, PastBurst, RehearsedAnswer, RunHead, Variant

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Contact:
    """Somebody the owner writes to."""

    id: str
    name: str
    writer: Writer = BEN


ANA = Contact("local:ana", "Ana")


def a_run(
    owner: Writer, clones: list[Writer], count: int, *, contacts: tuple[Contact, ...] = (ANA,), seed: int = 1, past: int = 200
) -> RehearsalRun:
    """A run of `count` bursts, two days apart, in which each of `clones` answered everything; each contact has `past` answers before."""
    variants = tuple(Variant(persona=f"persona{at}", model="sonnet-5.5") for at in range(len(clones)))
    rng, run = (
        Random(seed),
        RehearsalRun(RunHead(id="2026-11-20-0001", begun_at=NOW, seed=seed, variants=variants, bursts=(), max_micros=500_000)),
    )
    for at in range(count):
        contact = contacts[at % len(contacts)]
        burst = PastBurst(
            id=f"b{at}",
            contact=contact.id,
            at=NOW - timedelta(days=2 * (count - at), hours=at % 7),
            before=(("contact", contact.writer.write(rng)), ("owner", owner.write(rng))),
            asked=tuple(contact.writer.write(rng).split("\n")),
            real=tuple(owner.write(rng).split("\n")),
        )
        run.bursts[burst.id] = burst
        for variant, clone in enumerate(clones):
            answer = RehearsedAnswer(
                burst=burst.id,
                variant=variant,
                outcome="passed",
                reply=tuple(clone.write(rng).split("\n")),
                route="substantive",
                micros=5_000,
            )
            run.answers[burst.id, variant] = answer
    run.head = run.head.model_copy(update={"bursts": tuple(run.bursts)})
    for contact in contacts:
        mine = [burst for burst in run.bursts.values() if burst.contact == contact.id]
        run.materials[contact.id] = Material(
            contact=contact.id,
            name=contact.name,
            past=tuple(some(owner, past, seed + 1)),
            others=tuple(some(owner, len(mine), seed + 2)),
            contacts=tuple("\n".join(burst.asked) for burst in mine),
            own_count=past * 2,
        )
    return run
