"""Exports written to a file, and read from it."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from secondme.core.exports.export_file import ExportFile
from secondme.core.exports.importer import WHATSAPP
from secondme.core.exports.message import ExportedMessage
from secondme.core.exports.whatsapp import WhatsAppExport

TODAY = date(2026, 11, 22)


@dataclass(frozen=True)
class Read:
    """What an export came to."""

    export: WhatsAppExport
    messages: list[ExportedMessage]

    @property
    def facts(self) -> list[tuple[str, str | None, str]]:
        """Kind, author and text of each."""
        return [(each.kind.value, each.author, each.text) for each in self.messages]

    @property
    def is_accounted_for(self) -> bool:
        """Every line is the beginning of a message, more of one, or in front of the first."""
        continuations = sum(each.lines - 1 for each in self.messages)
        return self.export.lines == len(self.messages) + continuations + self.export.preamble


def written(folder: Path, text: str | bytes, name: str = "chat.txt") -> Path:
    """A file of this content."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(folder: Path, text: str | bytes, *known: str) -> Read:
    """The messages of a WhatsApp export of this content."""
    export = WhatsAppExport(ExportFile(written(folder, text), WHATSAPP), today=TODAY, known=known)
    export.survey()
    return Read(export, list(export.messages()))


def at(day: int, hour: int = 12, minute: int = 0, second: int = 0, month: int = 12) -> datetime:
    """A local time in 2021."""
    return datetime(2021, month, day, hour, minute, second)  # noqa: DTZ001  as exports have it
