"""Completion in bash, where a colon ends a word: `local:m` comes apart, and only what stands behind its last piece is put in.

The script hands over the line as it stands up to the cursor (bash(1), Programmable Completion: COMP_LINE, COMP_POINT, COMP_WORDBREAKS), so
that nobody has to guess what was one word.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typer import _completion_shared  # typer lets nobody else say what is installed
from typer._click.shell_completion import CompletionItem, add_completion_class
from typer._completion_classes import BashComplete, completion_init

if TYPE_CHECKING:
    from typer._click.shell_completion import ShellComplete

SCRIPT = """
%(complete_func)s() {
    mapfile -t COMPREPLY < <(env COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" %(autocomplete_var)s=complete_bash "$1" 2>/dev/null)
    [ -n "${COMPREPLY[0]}" ] || COMPREPLY=()
}

complete -o default -F %(complete_func)s %(prog_name)s
"""
_END = "\x00"
"""Stands where the cursor is: whatever word it is part of is the one that is completed."""
_BLANK = " \t\n\"'"
_UNSAFE = re.compile(r"([^\w@%+=:,./~-])")


@dataclass(frozen=True, slots=True)
class Line:
    """A command line up to the cursor."""

    words: list[str]
    """Those before the one at the cursor, the program's name first."""
    incomplete: str
    is_quoted: bool
    """True while a quotation mark is open."""

    @classmethod
    def read(cls, text: str) -> Line:
        """`text` as bash would take it apart."""
        lexer = shlex.shlex(text + _END, posix=True)
        lexer.whitespace_split, lexer.commenters = True, ""
        words: list[str] = []
        is_quoted = False
        try:
            words.extend(lexer)
        except ValueError:  # a quotation mark, or a backslash at the end
            words.append(lexer.token)
            is_quoted = True
        return cls(words[:-1], words[-1].replace(_END, ""), is_quoted) if words else cls([], "", is_quoted)

    def put_in(self, word: str, breaks: str) -> str:
        """What bash must be given so that `word` stands at the cursor: of `--to=local:m` it replaces only `m`."""
        name, equals, _ = self.incomplete.partition("=")
        if self.is_quoted:
            return word
        if equals and name.startswith("--") and not word.startswith("--"):
            word = f"{name}={word}"
        cut = 1 + max((self.incomplete.rfind(each) for each in breaks if each not in _BLANK), default=-1)
        return _UNSAFE.sub(r"\\\1", word[cut:])


class BashLine(BashComplete):
    """bash, with the whole line where its script hands it over; an older script's words otherwise."""

    source_template = SCRIPT

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor, and the one at it."""
        line = _line()
        if line is None:
            return super().get_completion_args()
        return line.words[1:], line.incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """What bash puts in."""
        line, word = _line(), super().format_completion(item)
        return word if line is None else line.put_in(word, os.environ.get("COMP_WORDBREAKS", ""))


def _line() -> Line | None:
    text, point = os.environ.get("COMP_LINE"), os.environ.get("COMP_POINT", "")
    return None if text is None or not point.isdecimal() else Line.read(text[: int(point)])


def set_up_shells() -> None:
    """Typer knows its shells, and ours in the place of its bash. Repeatable."""
    completion_init()
    shell: type[ShellComplete] = BashLine
    add_completion_class(shell, "bash")
    _completion_shared._completion_scripts["bash"] = SCRIPT  # noqa: SLF001  as said above
