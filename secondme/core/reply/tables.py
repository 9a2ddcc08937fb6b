"""Word lists and patterns of replies: files in `reply/lists`, read once, when the first message needs them.

A pattern is a regular expression with names in angle brackets for word lists of the same table, as `<fill>` or `<machine>`; a list's
words are folded as the texts are. A space in it is one space: texts are reduced to words and single spaces first.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from secondme.core.reply.folding import fold, fold_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAMED = re.compile(r"<([a-z_]+)>")


@cache
def table(name: str) -> dict[str, Any]:  # Any: TOML; each reader knows its own file's shape, and a test reads every file
    """What `lists/<name>.toml` says."""
    return tomllib.loads(files("secondme.core.reply").joinpath("lists", f"{name}.toml").read_text("utf-8"))


def phrases(listed: str) -> tuple[str, ...]:
    """The entries of a list that are separated by `|` and line breaks, folded, in their order, each once."""
    return tuple(dict.fromkeys(word for part in re.split(r"[|\n]", listed) if (word := fold(part).strip())))


def either(words: Iterable[str]) -> str:
    """A group that matches any of `words`, the longest first; `*` ends a stem."""
    ordered = sorted(words, key=len, reverse=True)
    return "(?:" + "|".join(re.escape(word).replace(r"\*", r"\w{0,12}") for word in ordered) + ")"


def expand(pattern: str, lists: Mapping[str, str]) -> str:
    """`pattern`, folded, with its named lists put in. Raises KeyError for a list that the table does not have."""
    return _NAMED.sub(lambda found: lists[found.group(1)], fold_pattern(pattern))
