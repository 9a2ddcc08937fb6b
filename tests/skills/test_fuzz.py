"""Thousands of generated skills: whatever is in their files, the outcome is a typed one, soon, and nothing is left in memory."""

import gc
import io
import json
import time
import warnings
import zipfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fakes.size import sized
from skills.calls import rss_bytes
from skills.folders import manifest_of, skill_files

from secondme.core.errors import DataError
from secondme.skills.archive import read_zip
from secondme.skills.catalog import sheet
from secondme.skills.loader import SkillFolder, parse

PIECES = [
    "---\n", "name: parcel\n", "description: x\n", "metadata:\n", "  a: b\n", "&a ", "*a", "!!python/object ", "[", "]", "{", "}", ": ", "- ", "| \n",
    "\t", "\x00", "\ud7ff", "\u202e", "\U000e0041", "é", "\ufeff", '"', "'", "\\", "a" * 2000, "? ", "#", "\r", "\u2028", "<<: *a\n", "&a [*a]\n",
]  # fmt: skip
"""Of what front matter is made, and of what breaks it."""
ODD: list[Any] = [
    None, True, -1, 10**30, 1e308, "", "x" * 5000, [], {}, [[[]]], {"type": "object"}, {"$ref": "#"}, {"pattern": "(a+)+$"}, "net:*", "../x.py",
    "\u202e", "__import__", ["net:api.x.example"], {"a": {"type": "secret"}},
]  # fmt: skip
NAMES = [
    "../x",
    "/x",
    "a/../b",
    "parcel/SKILL.md",
    "C:x",
    "a\\b",
    ".hidden",
    "x" * 300,
    "e\u0301",
    "\xe9",
    "parcel/skill.py",
    "\x07",
    "a/",
    "__MACOSX/x",
]


def front_matter(random: Random) -> SkillFolder:
    """Pieces in any order, with a right beginning more often than not."""
    text = ("---\nname: parcel\ndescription: x\n" if random.random() < 0.6 else "") + "".join(
        random.choices(PIECES, k=random.randrange(40))
    )
    raw = bytearray((text + ("---\n" if random.random() < 0.6 else "")).encode("utf-8", "replace"))
    if raw and random.random() < 0.2:
        raw[random.randrange(len(raw))] = random.randrange(256)
    return parse("parcel", {"SKILL.md": bytes(raw)})


def manifest(random: Random) -> SkillFolder:
    """A right one, in which some values somewhere are others."""
    whole: Any = manifest_of("parcel", config={"key": {"type": "string", "label": "x"}}, requires={"skills": []})
    whole["tools"][0]["input_schema"] = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    for _ in range(random.randrange(1, 4)):
        at = whole
        while True:
            key = random.choice(list(at) if isinstance(at, dict) else range(len(at))) if at else "more"
            if isinstance(at, dict) and (random.random() < 0.15 or key == "more"):
                at[random.choice(["more", "pattern", "$ref", "anyOf", "a\u200b", ""])] = deepcopy(random.choice(ODD))
                break
            if not at or not isinstance(at[key], dict | list) or random.random() < 0.3:
                if at:
                    at[key] = deepcopy(random.choice(ODD))
                break
            at = at[key]
    text = json.dumps(whole)
    if random.random() < 0.2:
        at_byte = random.randrange(len(text))
        text = (
            text[:at_byte]
            + random.choice(["[" * 50, '"', "\\", "{", "", "\x00", "1e999", "NaN"])
            + text[at_byte + random.randrange(5) :]
        )
    files = {**skill_files("parcel"), "manifest.json": text}
    return parse("parcel", {name: each.encode("utf-8", "replace") for name, each in files.items()})


def archive(random: Random, path: Path) -> SkillFolder:
    """A right one, in which entries have other names, and then some bytes are others. Raises DataError."""
    raw = io.BytesIO()
    method = random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(raw, "w", method) as packed:  # a name may come twice
        for name, text in skill_files("parcel").items():
            packed.writestr(f"parcel/{name}" if random.random() < 0.95 else random.choice(NAMES), text)
        for number in range(random.randrange(4)):
            packed.writestr(f"{random.choice(NAMES)}{number}", b"\0" * random.choice([1, 1000, 100_000]))
    changed = bytearray(raw.getvalue())
    for _ in range(random.choice([0, 0, 1, 3])):
        changed[random.randrange(len(changed))] = random.randrange(256)
    path.write_bytes(bytes(changed[: random.choice([len(changed), len(changed), random.randrange(len(changed))])]))
    return parse(*read_zip(path))


def fuzz(each: int, path: Path) -> dict[str, int]:
    """So many of each kind; how many were good, refused whole and refused for a problem. Prints what one costs."""
    random, came = Random(11), {"good": 0, "refused": 0, "with problems": 0}
    kinds: list[Callable[[], SkillFolder]] = [lambda: front_matter(random), lambda: manifest(random), lambda: archive(random, path)]
    spent, longest = 0.0, 0.0
    for _ in range(each):
        for kind in kinds:
            begun = time.process_time()
            try:
                folder = kind()
            except DataError as error:
                came["refused" if error.code == "bad_skill_archive" else error.code] += 1
            else:
                sheet(folder)
                assert all(problem.text for problem in folder.problems)
                came["with problems" if folder.problems else "good"] += 1
            took = time.process_time() - begun
            spent, longest = spent + took, max(longest, took)
    print(f"{3 * each:,} skills: {came}; {spent / each / 3 * 1000:.2f} ms CPU on average, {longest * 1000:.0f} ms at most")
    assert spent / each / 3 < 0.05
    return came


@pytest.mark.parametrize("each", [70, pytest.param(sized(3400, 1000), marks=pytest.mark.heavy)])  # 5 s, the whole number 15
def test_any_generated_skill_is_judged(tmp_path: Path, each: int) -> None:
    fuzz(10, tmp_path / "parcel.zip")  # what is imported late and kept for reuse is there now
    gc.collect()
    before = rss_bytes()
    came = fuzz(each, tmp_path / "parcel.zip")
    gc.collect()
    assert rss_bytes() - before < 50_000_000
    assert min(came.values()) > each // 20
