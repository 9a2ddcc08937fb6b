"""The text of documents that contacts sent, read by a child of this process."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

from secondme.core.errors import DataError
from secondme.core.media.child import ChildProgram, run_child
from secondme.core.media.confinement import DONE
from secondme.core.text import safe_text

_MOST_BYTES = 32 * 1024 * 1024
DOCUMENT_TEXT = ChildProgram("secondme.core.media.document_text", ("pypdf", "cryptography"), timeout_s=30, most_bytes=40_000)
"""8,000 characters at four bytes each, and some."""
_REFUSALS = {
    "document_unreadable": ("The document is damaged, or no PDF.", "Ask for it to be sent again, as PDF."),
    "document_too_large": ("The document is larger than what is looked at.", "Ask for a smaller one."),
    "document_encrypted": ("The document can only be read with a password.", "Ask for it without one."),
    "document_has_no_text": ("The document has pictures of text only.", "Ask for photos of the pages."),
    "document_needs_extra": (
        "Documents need a reader that is not installed.",
        'Run: pip install "secondme[documents]"',
    ),
}


class DocumentReader:
    """Reads documents, one at a time."""

    def __init__(self, program: ChildProgram = DOCUMENT_TEXT) -> None:
        self._program = program
        self._turn = asyncio.Semaphore(1)

    async def read(self, data: bytes) -> str:
        """The words of the first ten pages of a PDF, 8,000 characters at most, never empty.

        Raises DataError (`document_unreadable`, `document_too_large`, `document_encrypted`, `document_has_no_text`, `document_needs_extra`) and
        UnavailableError when the machine cannot start a child. Cancelled, no child is left.
        """
        if find_spec("pypdf") is None:
            raise _refusal("document_needs_extra")
        if len(data) > _MOST_BYTES:
            raise _refusal("document_too_large")
        async with self._turn:
            answer = await run_child(self._program, data)
        if answer is None:
            raise _refusal("document_unreadable")
        if answer.outcome != DONE:
            raise _refusal(answer.outcome)
        text = safe_text(answer.payload.decode("utf-8", "replace")).strip()
        if not text:
            raise _refusal("document_has_no_text")
        return text


def _refusal(code: str) -> DataError:
    """A child's word for it counts only if it is one of ours."""
    code = code if code in _REFUSALS else "document_unreadable"
    return DataError(code, *_REFUSALS[code])
