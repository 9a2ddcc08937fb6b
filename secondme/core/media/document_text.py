"""The child that reads the text of a PDF: the file on standard input, its words or the code of a refusal on standard output.

Only the text layer is read: nothing is drawn, no script run, no attachment opened. A page that cannot be read is left out.
"""

from __future__ import annotations

import codecs
import contextlib
import importlib
import io
import logging
import pkgutil
from typing import Any

from secondme.core.media.confinement import DONE, answer, confine, receive

UNREADABLE, ENCRYPTED, NO_TEXT = "document_unreadable", "document_encrypted", "document_has_no_text"
_MEMORY_BYTES = 256 << 20
_CPU_S = 6
_PAGES, _CHARACTERS = 10, 8_000
_BEGINNING_BYTES = 1024
"""Within which readers of PDF look for its first line (ISO 32000-1, implementation note 13)."""
_FIRST = b"""%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Resources <</Font <</F 4 0 R>>>> /Contents 5 0 R>> endobj
4 0 obj <</Type /Font /Subtype /Type1 /BaseFont /Helvetica>> endobj
5 0 obj <</Length 22>> stream
BT /F 9 Tf (a) Tj ET
endstream endobj
trailer <</Size 6 /Root 1 0 R>>
startxref
0
%%EOF
"""
"""A document of ours, read before the stranger's: what is imported only when it is used must be there by then."""
_CODECS = ("ascii", "charmap", "latin-1", "utf-16", "utf-16-be", "utf-16-le", "gbk", "gb2312", "gb18030", "cp932", "cp950")
"""What a font may ask for. They are modules too."""


class EncryptedError(Exception):
    """It has a password, or is encrypted in a way that the library needs another one for."""


def main() -> None:
    """Read the document on standard input."""
    logging.disable()
    pypdf: Any = importlib.import_module("pypdf")  # an extra brings it
    _import_the_rest(pypdf)
    data = receive()
    confine(_MEMORY_BYTES, _CPU_S)
    try:
        text = _text(pypdf, data)
    except EncryptedError:
        answer(ENCRYPTED)
    except Exception:  # noqa: BLE001  whatever the library thinks of it
        answer(UNREADABLE)
    else:
        answer(DONE if text else NO_TEXT, text.encode("utf-8", "replace"))


def _import_the_rest(pypdf: Any) -> None:
    """Nothing can be imported later."""
    for module in pkgutil.walk_packages(pypdf.__path__, "pypdf."):
        with contextlib.suppress(ImportError):  # what asks for other packages, which are not needed
            importlib.import_module(module.name)
    for name in _CODECS:
        codecs.lookup(name)
    _text(pypdf, _FIRST)


def _text(pypdf: Any, data: bytes) -> str:
    """Of the first pages. Raises EncryptedError, or whatever the library raises."""
    if b"%PDF-" not in data[:_BEGINNING_BYTES]:
        raise ValueError
    refusals = (pypdf.errors.DependencyError, pypdf.errors.FileNotDecryptedError)
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):  # many are, so that they can be read by all and changed by nobody
            raise EncryptedError
        pages = range(min(_PAGES, len(reader.pages)))
    except refusals as error:
        raise EncryptedError from error
    texts: list[str] = []
    for number in pages:
        try:
            texts.append(reader.pages[number].extract_text().strip())
        except refusals as error:
            raise EncryptedError from error
        except Exception:  # noqa: BLE001, S112  the other pages may be whole
            continue
        if sum(map(len, texts)) > _CHARACTERS:
            break
    return "\n\n".join(filter(None, texts))[:_CHARACTERS]
