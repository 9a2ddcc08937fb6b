"""WhatsApp's export, in two passes over the file: the first learns its dialect, the order of its dates and who speaks; the second
reads the messages. Neither keeps more than one message at a time.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from typing import TYPE_CHECKING

from secondme.core.errors import DataError
from secondme.core.exports.conversation import Authors, ImportDraft, ImportDrafts
from secondme.core.exports.message import ExportedChat, ExportedKind, ExportedMessage
from secondme.core.exports.phrases import LRM, MARKS, is_of_a_group, is_sentence, read_body
from secondme.core.exports.whatsapp_headers import DateEvidence, Dialect, Order, Reason, day_of, latest_day, recognise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from secondme.core.exports.export_file import ExportFile

_MOST_DIALECTS = 64
_LONGEST_PLACEHOLDER = 80
_MOST_PLACEHOLDERS = 64
_OFTEN = 3
"""So often must the same `<words>` be all of a message to stand for a file in a language we do not know."""
_TWO = 2


class _Scout:
    """What the first pass learns about one dialect of the file: the real one, and those that somebody quoted."""

    def __init__(self, dialect: Dialect, latest: date, known: Iterable[str]) -> None:
        self.evidence = DateEvidence(dialect, latest)
        self.authors = Authors(known)
        self.titles: set[str] = set()
        self.angled: Counter[str] = Counter()
        self.is_group = False
        self._is_bracketed = dialect.is_bracketed

    def add(self, numbers: tuple[int, int, int], rest: str) -> None:
        """Another line of this dialect."""
        self.evidence.add(numbers)
        if self._is_bracketed and (mark := _marked(rest)) >= 0:
            body = rest[mark + 2 :].lstrip(MARKS)
            if read_body(body, is_marked=True, placeholders=frozenset())[0] is ExportedKind.SYSTEM:
                self.is_group = self.is_group or is_of_a_group(body)
                if len(self.titles) <= _TWO:
                    self.titles.add(" ".join(rest[:mark].split()))
                return
        found = self.authors.learn(rest)
        if found is None:
            self.is_group = self.is_group or is_of_a_group(rest)
        elif rest.endswith(">") and rest[found[1] :].startswith("<") and len(rest) - found[1] < _LONGEST_PLACEHOLDER:
            body = rest[found[1] :]
            if body in self.angled or len(self.angled) < _MOST_PLACEHOLDERS:
                self.angled[body] += 1

    def placeholders(self) -> frozenset[str]:
        """What stands for a file in this export, in a language we may not know."""
        return frozenset(
            body for body, count in self.angled.most_common(_TWO) if count >= _OFTEN and (" " in body or not body.isascii())
        )


def _marked(rest: str) -> int:
    """Where the name ends of whom WhatsApp says something about; -1 when somebody else speaks."""
    end = rest.find(": ")
    return end if rest.startswith(LRM, end + 2) else -1


class WhatsAppExport:
    """One exported chat. `survey` first; then `messages`, as often as need be."""

    def __init__(self, file: ExportFile, *, today: date, known: Iterable[str] = ()) -> None:
        """`known` are names that the owner uses: they help where a name has a colon in it."""
        self.file = file
        self._latest = latest_day(today)
        self._known = tuple(known)
        self.chat = ExportedChat()
        self.lines = 0
        self.preamble = 0
        """Lines in front of the first message."""
        self.dialect: Dialect
        self.order: Order
        self.reason: Reason
        self._authors: Authors
        self._placeholders: frozenset[str] = frozenset()

    def survey(self, progress: Callable[[int], None] | None = None) -> ExportedChat:
        """The dialect, the order and the people are known. Raises DataError when this is no export."""
        scouts: dict[Dialect, _Scout] = {}
        latest: tuple[Dialect, _Scout] | None = None
        for line in self.file.lines(progress):
            header = recognise(line)
            if header is None:
                continue
            dialect = header[0]
            if latest is None or latest[0] is not dialect:
                scout = scouts.get(dialect)
                if scout is None:
                    if len(scouts) >= _MOST_DIALECTS:
                        continue
                    scout = scouts[dialect] = _Scout(dialect, self._latest, self._known)
                latest = (dialect, scout)
            latest[1].add(header[1:4], line[header[7] :])
        if not scouts:
            raise DataError("no_messages", f"No line of {self.file.path.name} begins like a message that WhatsApp exported.")
        self._settle(max(scouts.values(), key=lambda scout: scout.evidence.lines))
        return self.chat

    def _settle(self, scout: _Scout) -> None:
        self.dialect, self._authors = scout.evidence.dialect, scout.authors
        self.order, self.reason = scout.evidence.decide()
        self._placeholders = scout.placeholders()
        people = self._authors.people()
        self.chat.people = Counter(people)
        self.chat.is_group = scout.is_group or len(people.keys() | scout.titles) > _TWO

    def messages(self, progress: Callable[[int], None] | None = None) -> Iterator[ExportedMessage]:
        """Every message, in the order of the file. Afterwards `chat`, `lines` and `preamble` are exact."""
        self.chat.kinds, self.chat.people = Counter(), Counter()
        self.lines = self.preamble = 0
        drafts = ImportDrafts()
        for line in self.file.lines(progress):
            self.lines += 1
            draft = self._begin(line)
            if draft is not None:
                yield from map(self._finish, drafts.begin(draft))
            elif not drafts.go_on(line):
                self.preamble += 1
        yield from map(self._finish, drafts.end())
        if not self.chat.kinds:
            raise DataError(
                "no_messages",
                f"The dates of {self.file.path.name} cannot be read: none of them is a day of our calendar.",
                "Set the phone to the Gregorian calendar and export the chat again.",
            )

    def _begin(self, line: str) -> ImportDraft | None:
        header = recognise(line)
        if header is None or (header[0] is not self.dialect and header[0] != self.dialect):
            return None
        day = day_of(self.order, header[1:4])
        if day is None:
            return None
        at = datetime(day.year, day.month, day.day, header[4], header[5], header[6])  # noqa: DTZ001  an export knows no zone
        rest = line[header[7] :]
        author, begins = self._authors.split(rest)
        body = rest[begins:]
        is_marked = self.dialect.is_bracketed and body.startswith(LRM)
        if self.dialect.is_bracketed and author is None and (mark := _marked(rest)) >= 0:
            body, is_marked = rest[mark + 2 :], True  # in the name of a group, which is nobody
        is_sure = author is not None or is_marked or is_sentence(body)
        return ImportDraft(at, author, body.lstrip(MARKS), self.lines, line, is_marked=is_marked, is_sure=is_sure)

    def _finish(self, draft: ImportDraft) -> ExportedMessage:
        author, text = draft.author, draft.text()
        if author is None:
            kind, words, media = ExportedKind.SYSTEM, "", None
        else:
            kind, text, words, media = read_body(text, is_marked=draft.is_marked, placeholders=self._placeholders)
        if kind is ExportedKind.SYSTEM:
            author = None
        else:
            assert author is not None
            self.chat.people[author] += 1
        self.chat.kinds[kind] += 1
        self.chat.span.add(draft.at)
        return ExportedMessage(kind, author, draft.at, text, words, draft.number, draft.lines, media)
