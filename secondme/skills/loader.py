"""A skill's folder, read and checked: `SKILL.md` (the Agent Skills format), `manifest.json`, the code; and the digest of all of it.

Whatever is in the folder was written by somebody else: links, devices and shared names are refused, everything is counted, and one
broken skill never hides another. Source of the format: agentskills.io/specification.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import stat
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from secondme.core.format import size
from secondme.core.front_matter import FrontMatterError, split
from secondme.core.text import EncodingError, did_you_mean, plain_text, safe_name
from secondme.core.tools.manifest import LONGEST_NAME, SKILL_NAME, SkillManifest, SkillProblem, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from secondme.core.front_matter import Field

MOST_FILES = 200
MOST_BYTES = 4 * 1024 * 1024
MOST_PARSED = 64 * 1024
"""Bytes of code that this process takes apart: up to 900 times as many bytes of memory. The longest built-in skill has 6 KB."""
_DEFINITION = re.compile(rb"^def ([a-z][a-z0-9_]{0,31})\(", re.MULTILINE)
_DEPTH = 6
_LONGEST_PATH = 200
_LONGEST_DESCRIPTION, _LONGEST_COMPATIBILITY = 1024, 500
_KNOWN = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")
_MANIFEST, _INSTRUCTIONS = "manifest.json", "SKILL.md"
_OTHERS_MAY_WRITE = 0o022


class FolderError(Exception):
    """The folder cannot be read as a skill at all."""

    def __init__(self, problem: SkillProblem) -> None:
        super().__init__(problem.text)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class SkillFolder:
    """What a folder holds, read once: `files` by their path in it, `digest` over all of them. With `problems` it cannot be used."""

    name: str
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    digest: str = ""
    """`sha256:` and 64 hexadecimal digits."""
    manifest: SkillManifest | None = None
    """None: it is instructions only."""
    description: str = ""
    instructions: str = ""
    """The text of SKILL.md below its front matter."""
    problems: tuple[SkillProblem, ...] = ()


def read_folder(path: Path, name: str | None = None) -> SkillFolder:
    """The skill in the folder `path`, which has its `name`. Never raises: what is wrong stands in `problems`."""
    name = path.name if name is None else name
    try:
        files = _read(path)
    except FolderError as error:
        return SkillFolder(name, problems=(error.problem,))
    return parse(name, files)


def parse(name: str, files: Mapping[str, bytes]) -> SkillFolder:
    """The skill that these files make, whose folder has this `name`."""
    problems: list[SkillProblem] = []
    if len(name) > LONGEST_NAME or not SKILL_NAME.fullmatch(name):
        fix = "Name the folder with a-z, 0-9 and single - between them, 64 characters at most."
        problems.append(SkillProblem(".", 0, f"{safe_name(name)!r} is no name of a skill", fix))
    manifest, description, instructions = None, "", ""
    if _INSTRUCTIONS not in files and _MANIFEST not in files:
        problems.append(SkillProblem(".", 0, "there is neither SKILL.md nor manifest.json", "secondme skills new NAME shows both."))
    if _INSTRUCTIONS in files:
        description, instructions, found = _read_instructions(name, files[_INSTRUCTIONS])
        problems += found
    if _MANIFEST in files:
        read = read_manifest(files[_MANIFEST])
        if isinstance(read, SkillManifest):
            manifest, description = read, description or read.description
            problems += _against_files(name, read, files)
        else:
            problems += read
    return SkillFolder(name, files, digest_of(files), manifest, description, instructions, tuple(problems))


def digest_of(files: Mapping[str, bytes]) -> str:
    """sha256 over every path (in NFC), length and sha256, in the order of the paths: any byte, name or file more changes it."""
    whole = hashlib.sha256()
    for path in sorted(files):
        whole.update(f"{path}\0{len(files[path])}\0{hashlib.sha256(files[path]).hexdigest()}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def _against_files(name: str, manifest: SkillManifest, files: Mapping[str, bytes]) -> Iterator[SkillProblem]:
    if manifest.name != name:
        fix = f"Rename the folder, or write {name!r}: a skill cannot take another's name."
        yield SkillProblem(
            _MANIFEST, _line_of(files[_MANIFEST], b'"name"'), f"it is called {manifest.name!r}, its folder {name!r}", fix
        )
    if not manifest.tools:
        return
    if manifest.entry not in files:
        yield SkillProblem(_MANIFEST, 0, f"it has tools, and there is no {manifest.entry}", f"Add {manifest.entry}.")
        return
    there = _functions(manifest.entry, files[manifest.entry])
    if isinstance(there, SkillProblem):
        yield there
        return
    for wanted in (*(tool.name for tool in manifest.tools), *filter(None, [manifest.health])):
        if wanted not in there:
            fix = f"def {wanted}(input, ask): ..."
            yield SkillProblem(manifest.entry, 0, f"it has no function {wanted}, which {_MANIFEST} names", fix)


def _functions(file: str, code: bytes) -> set[str] | SkillProblem:
    """The functions that code defines; long code is not taken apart, and whether it is Python shows in the sandbox."""
    if len(code) > MOST_PARSED:
        return {found.decode() for found in _DEFINITION.findall(code)}
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", 0) or 0
        return SkillProblem(file, line, f"it is not Python: {getattr(error, 'msg', 'it cannot be read')}", "Correct that line.")
    return {each.name for each in body if isinstance(each, ast.FunctionDef)}


def _line_of(text: bytes, needle: bytes) -> int:
    at = text.find(needle)
    return text.count(b"\n", 0, at) + 1 if at >= 0 else 0


def _read_instructions(name: str, raw: bytes) -> tuple[str, str, list[SkillProblem]]:
    """Description, text, and what is wrong. Nothing is repaired: a skill that others would refuse is refused here."""
    try:
        parts = split(plain_text(raw), maps=frozenset({"metadata"}))
    except EncodingError as error:
        return "", "", [SkillProblem(_INSTRUCTIONS, error.line or 1, f"it is {error.words}", "Save it as UTF-8.")]
    except FrontMatterError as error:
        return "", "", [SkillProblem(_INSTRUCTIONS, error.line, error.words)]
    found = list(_field_problems(name, parts.fields))
    described = parts.fields.get("description")
    return str(described.value) if described and isinstance(described.value, str) else "", parts.body, found


def _field_problems(name: str, fields: Mapping[str, Field]) -> Iterator[SkillProblem]:
    for key, each in fields.items():
        if key not in _KNOWN:
            words = did_you_mean(key, _KNOWN, f"there are: {', '.join(_KNOWN)}")
            yield SkillProblem(
                _INSTRUCTIONS, each.line, f"`{safe_name(key)}` is not known; {words}", "Own fields go below `metadata`."
            )
        elif key != "metadata" and not isinstance(each.value, str):
            yield SkillProblem(_INSTRUCTIONS, each.line, f"`{key}` is one text")
        elif key == "metadata" and not isinstance(each.value, dict) and each.value != "":
            yield SkillProblem(_INSTRUCTIONS, each.line, "`metadata` is a map of names to texts")
    for key, limit in (("name", LONGEST_NAME), ("description", _LONGEST_DESCRIPTION), ("compatibility", _LONGEST_COMPATIBILITY)):
        value = fields[key].value if key in fields else ""
        if key != "compatibility" and not value:
            yield SkillProblem(
                _INSTRUCTIONS, fields[key].line if key in fields else 1, f"`{key}` is missing", f"Write `{key}: ...` at the top."
            )
        elif len(value) > limit:
            yield SkillProblem(_INSTRUCTIONS, fields[key].line, f"`{key}` is longer than {limit} characters")
    if (called := fields["name"].value if "name" in fields else name) and called != name:
        words = f"it is called {safe_name(str(called))!r}, its folder {safe_name(name)!r}"
        yield SkillProblem(_INSTRUCTIONS, fields["name"].line, words, "Rename one of them.")


def _read(root: Path) -> dict[str, bytes]:
    """Every file below `root`. Each directory is opened from the one above, so that nothing can be swapped for a link meanwhile.
    Raises FolderError."""
    files: dict[str, bytes] = {}
    folded: dict[str, str] = {}
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise FolderError(
            SkillProblem(".", 0, f"the folder cannot be read: {error.strerror}", "It must be a folder of yours, no link.")
        ) from None
    try:
        for path, raw in _walk(descriptor, "", 0):
            lower = path.casefold()
            if lower in folded:
                raise FolderError(
                    SkillProblem(safe_name(path), 0, f"it and {safe_name(folded[lower])} are one file elsewhere", "Rename one.")
                )
            folded[lower] = path
            files[path] = raw
            if len(files) > MOST_FILES:
                raise FolderError(SkillProblem(".", 0, f"there are more than {MOST_FILES} files", "Remove what it does not need."))
            if sum(map(len, files.values())) > MOST_BYTES:
                raise FolderError(SkillProblem(".", 0, f"it is larger than {size(MOST_BYTES)}", "Remove what it does not need."))
    except OSError as error:
        raise FolderError(SkillProblem(".", 0, f"it cannot be read: {error.strerror}", "Check owners and modes.")) from None
    finally:
        os.close(descriptor)
    return files


def _walk(directory: int, prefix: str, depth: int) -> Iterator[tuple[str, bytes]]:
    with os.scandir(directory) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        if name == "__pycache__" or name.startswith("."):
            continue
        path = prefix + unicodedata.normalize("NFC", name)
        shown = safe_name(path) or "a file"
        if len(path) > _LONGEST_PATH or not path.isprintable() or "\\" in path:
            raise FolderError(SkillProblem(shown, 0, "its name cannot be used", "Use a short name of letters, digits, - and _."))
        descriptor = _open_plain(directory, name, shown)
        try:
            facts = os.fstat(descriptor)
            if facts.st_mode & _OTHERS_MAY_WRITE:
                raise FolderError(SkillProblem(shown, 0, "others may write it", f"chmod go-w {shown}"))
            if stat.S_ISDIR(facts.st_mode):
                if depth >= _DEPTH:
                    raise FolderError(SkillProblem(shown, 0, f"there are more than {_DEPTH} levels of folders", "Make it flatter."))
                yield from _walk(descriptor, f"{path}/", depth + 1)
            elif stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1:
                with os.fdopen(os.dup(descriptor), "rb") as file:
                    yield path, file.read(MOST_BYTES + 1)
            else:
                raise FolderError(SkillProblem(shown, 0, "it is no plain file, or has a second name elsewhere", "Copy it."))
        finally:
            os.close(descriptor)


def _open_plain(directory: int, name: str, shown: str) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError as error:
        words = "it is a link, or cannot be read" if error.errno else "it cannot be read"
        raise FolderError(SkillProblem(shown, 0, words, "Copy the file itself.")) from None


def signature_of(root: Path) -> tuple[tuple[str, int, int, int], ...]:
    """What changes when something below `root` does, without reading it: names, sizes, times and inodes. Empty where there is nothing."""
    found: list[tuple[str, int, int, int]] = []
    pending = [(str(root), 0)]
    while pending and len(found) <= MOST_FILES:
        directory, depth = pending.pop()
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.name == "__pycache__" or entry.name.startswith("."):
                        continue
                    facts = entry.stat(follow_symlinks=False)
                    found.append((entry.path, facts.st_size, facts.st_mtime_ns, facts.st_ino ^ facts.st_ctime_ns))
                    if depth < _DEPTH and entry.is_dir(follow_symlinks=False):
                        pending.append((entry.path, depth + 1))
        except OSError:
            continue
    return tuple(sorted(found))
