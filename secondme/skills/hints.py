"""Hints: what a reader of a skill may want to look at twice. They decide nothing; what protects is the sandbox and the owner's word.

A scanner called nine of ten malicious skills safe, and half of a vendor's own ones dangerous: so this is a list of words and calls, shown on
the sheet, and no more.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from secondme.core.tools.manifest import SkillProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MODULES = {
    "os",
    "subprocess",
    "socket",
    "ctypes",
    "shutil",
    "pathlib",
    "sys",
    "importlib",
    "multiprocessing",
    "signal",
    "pickle",
    "urllib.request",
    "http.client",
}
_CALLS = {"exec", "eval", "compile", "__import__", "open", "globals", "getattr"}
_WORDS = {
    r"ignore (?:all|any|the|previous)|system prompt|you are now|do not tell the (?:owner|user)": "reads like orders to a model",
    r"curl |wget |base64 -d|\| ?(?:ba)?sh\b|chmod \+x|sudo |powershell": "tells somebody to run something",
    r"(?:install|download) .{0,40}(?:first|before)|password is|unzip -P": "tells somebody to install something first",
    r"api[_ -]?key|private key|\.ssh|\.env\b|credential|id_rsa|keychain|wallet|seed phrase": "speaks of secrets",
}
_LONG_TEXT = re.compile(r"[A-Za-z0-9+/=]{200,}|(?:\\x[0-9a-f]{2}){40,}", re.ASCII)
_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
_MOST = 20
_MOST_TEXT = 512 * 1024
_MOST_CODE = 64 * 1024
"""Bytes of one skill that are looked through: a syntax tree takes up to 900 times as many."""


def hints(files: Mapping[str, bytes]) -> list[SkillProblem]:
    """What to look at, file by file, at most 20."""
    found: list[SkillProblem] = []
    text_left, code_left = _MOST_TEXT, _MOST_CODE
    for path, raw in sorted(files.items()):
        text = raw[:text_left].decode("utf-8", "replace")
        found += _in_text(path, text)
        text_left -= len(text)
        if path.endswith(".py") and len(raw) <= code_left:
            code_left -= len(raw)
            found += _in_code(path, text)
        elif path.endswith(".py") or text_left <= 0:
            found.append(SkillProblem(path, 0, "is longer than is looked through here"))
    return sorted(set(found), key=lambda each: (each.file, each.line, each.words))[:_MOST]


def _in_text(path: str, text: str) -> Iterator[SkillProblem]:
    for pattern, words in _WORDS.items():
        if match := re.search(pattern, text, re.IGNORECASE):
            yield SkillProblem(path, _line(text, match.start()), words)
    if match := _LONG_TEXT.search(text):
        yield SkillProblem(path, _line(text, match.start()), "has a long stretch of text that nobody can read")
    if match := _UNSEEN.search(text):
        yield SkillProblem(path, _line(text, match.start()), "has invisible characters")


def _in_code(path: str, text: str) -> Iterator[SkillProblem]:
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in nodes:
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if name in _MODULES or name.partition(".")[0] in _MODULES:
                yield SkillProblem(path, getattr(node, "lineno", 0), f"imports {name}, which does nothing in the sandbox")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
            yield SkillProblem(path, node.lineno, f"calls {node.func.id}")


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
