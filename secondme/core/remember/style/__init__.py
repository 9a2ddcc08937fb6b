"""The owner's style: messages are measured, summed up, described and picked as examples. Pure: nothing is stored here."""

from secondme.core.remember.style.description import describe
from secondme.core.remember.style.examples import examples_for
from secondme.core.remember.style.measure import Measure, measure
from secondme.core.remember.style.profile import (
    FEWEST,
    StyleProfile,
    profile_from_predecessor,
    profile_of,
    profile_of_measures,
)

__all__ = [
    "FEWEST",
    "Measure",
    "StyleProfile",
    "describe",
    "examples_for",
    "measure",
    "profile_from_predecessor",
    "profile_of",
    "profile_of_measures",
]
