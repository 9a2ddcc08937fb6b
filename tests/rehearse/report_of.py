"""The report of a run, from what the run alone knows."""

from secondme.core.rehearse.archive import RehearsalRun
from secondme.core.rehearse.blind import results
from secondme.core.rehearse.verdict import RehearsalReport, report


def report_of(run: RehearsalRun) -> RehearsalReport:
    known = run.materials.items()
    return report(
        [*run.bursts.values()],
        [*run.answers.values()],
        run.head.variants,
        past={who: each.past for who, each in known},
        others={who: each.others for who, each in known},
        contacts={who: each.contacts for who, each in known},
        owns={who: each.own_count for who, each in known},
        names={who: each.name for who, each in known},
        seed=run.head.seed,
        blind=results(run),
    )
