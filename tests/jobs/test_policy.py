"""Who may be written to: every combination beside a table that says it in other words, and each script asked again with what was decided."""

import itertools
import tomllib
from dataclasses import fields, replace
from datetime import time
from pathlib import Path
from random import Random

import pytest

from secondme.core.config.models import JobLimits
from secondme.core.enums import ReplyMode, Tier
from secondme.core.jobs.policy import GRANTABLE, TO_CONTACTS, Situation, category_of, decide

TABLE = tomllib.loads((Path(__file__).parent / "data" / "policy.toml").read_text())
LIMITS = JobLimits()
CATEGORIES = ["reminder", "digest", "owed", "promises", "birthdays", "week", "watch", "ask", "greet", "followup", "write"]
NOW = 1_800_000_000_000
CALM = Situation(
    now_ms=NOW, local_time=time(12), is_asleep=False, is_approved=True, tier=Tier.TRUSTED, mode=ReplyMode.AUTO, is_stopped=False,
    granted_until_ms=NOW + 1, newest_turn_ms=0, unanswered=0, has_open_draft=False, drafts_today=0, sent_last_hour=0, sent_today=0,
    sent_to_contact_today=0, sent_to_contact_week=0, last_sent_ms=0,
)  # fmt: skip


def test_calm_weather_is_as_the_table_says() -> None:
    for category, reach, tier, mode in itertools.product(CATEGORIES, ("self", "drafts", "allowed"), Tier, ReplyMode):
        for granted in (True, False):
            known = replace(CALM, tier=tier, mode=mode, granted_until_ms=NOW + 1 if granted else NOW)
            if category not in TABLE["contact"]:
                wanted = "refuse"
            elif mode in {ReplyMode.OBSERVE, ReplyMode.OFF}:
                wanted = "refuse" if reach == "self" else "skip"
            else:
                wanted = TABLE["contact"][category][reach]
                if wanted == "send" and not (tier is Tier.TRUSTED and mode is ReplyMode.AUTO and granted):
                    wanted = "draft"
            assert decide(category, reach, known, LIMITS).verdict == wanted, (category, reach, tier, mode, granted)  # type: ignore[arg-type]


def _random(rng: Random) -> Situation:
    return Situation(
        now_ms=NOW,
        local_time=time(rng.randrange(24), rng.randrange(60)),
        is_asleep=rng.random() < 0.2,
        is_approved=rng.random() < 0.9,
        tier=rng.choice([*Tier]),
        mode=rng.choice([*ReplyMode]),
        is_stopped=rng.random() < 0.1,
        granted_until_ms=NOW + rng.choice([-1, 0, 1, 1_000_000]),
        newest_turn_ms=NOW - rng.choice([0, 60_000, 1_799_999, 1_800_000, 10_000_000]),
        unanswered=rng.choice([0, 0, 0, 1, 2, 3]),
        has_open_draft=rng.random() < 0.1,
        drafts_today=rng.choice([0, 1, 4, 5, 6]),
        sent_last_hour=rng.choice([0, 0, 2, 3]),
        sent_today=rng.choice([0, 0, 9, 10]),
        sent_to_contact_today=rng.choice([0, 0, 0, 1]),
        sent_to_contact_week=rng.choice([0, 1, 2, 3]),
        last_sent_ms=NOW - rng.choice([0, 71_999_999, 72_000_000, 10**9]),
    )


def test_twenty_thousand_situations_let_nothing_through_that_may_not_pass() -> None:
    """What is sent or laid before the owner was allowed by every rule, each said here again on its own."""
    rng, passed = Random(18), {"send": 0, "draft": 0}
    for _ in range(20_000):
        odd = rng.sample([field.name for field in fields(Situation)], rng.randrange(4))
        drawn, category = _random(rng), rng.choice(CATEGORIES)
        known = replace(CALM, **{name: getattr(drawn, name) for name in odd})
        reach = rng.choice(["self", "drafts", "allowed"])
        verdict = decide(category, reach, known, LIMITS).verdict  # type: ignore[arg-type]
        if verdict not in passed:
            continue
        passed[verdict] += 1
        assert category in {"greet", "followup", "write"}
        assert reach in {"drafts", "allowed"}
        assert known.is_approved
        assert not known.is_stopped
        assert known.mode in {ReplyMode.AUTO, ReplyMode.DRAFT}
        assert not known.is_asleep
        assert time(8) <= known.local_time < time(21)
        assert known.unanswered < 2
        assert not known.has_open_draft
        assert NOW - known.newest_turn_ms >= 30 * 60_000
        assert known.sent_to_contact_today < 1
        assert known.sent_to_contact_week < 3
        assert NOW - known.last_sent_ms >= 20 * 3_600_000
        if verdict == "send":
            assert reach == "allowed"
            assert category != "write"
            assert (known.tier, known.mode) == (Tier.TRUSTED, ReplyMode.AUTO)
            assert known.granted_until_ms > NOW
            assert known.sent_last_hour < 3
            assert known.sent_today < 10
        else:
            assert known.drafts_today < 5
    assert min(passed.values()) > 500, passed


def test_what_is_for_contacts_and_what_may_be_allowed_is_a_short_list() -> None:
    assert {"greet", "followup", "write"} == TO_CONTACTS
    assert {"greet", "followup"} == GRANTABLE
    assert category_of("say") == "reminder"


@pytest.mark.parametrize("kind", ["ask", "digest", "write"])
def test_a_kind_is_its_own_category(kind: str) -> None:
    assert category_of(kind) == kind  # type: ignore[arg-type]
