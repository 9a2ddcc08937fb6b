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
from secondme.core.exports.phrases import read_body, words_behind_a_file
from secondme.core.exports.sentences import LRM, MARKS, is_of_a_group, is_said_unmarked, is_sentence, plain
from secondme.core.exports.whatsapp_headers import DateEvidence, Dialect, HeaderReader, Order, Reason, day_of, latest_day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from secondme.core.exports.export_file import ExportFile

_MOST_DIALECTS = 64
_LONGEST_PLACEHOLDER = 80
_MOST_PLACEHOLDERS = 64
_OFTEN = 3
"""So often must the same `<words>` be all of a message to stand for a file in a language we do not know."""
_MOST_REPEATED = 4
_TWO = 2
_NOBODY: frozenset[str] = frozenset()


class _Scout:
    """What the first pass learns about one dialect of the file: the real one, and those that somebody quoted."""

    def __init__(self, dialect: Dialect, latest: date, known: Iterable[str]) -> None:
        self.evidence = DateEvidence(dialect, latest)
        self.authors = Authors(known)
        self.under: dict[str, set[str]] = {}
        """Who stands in front of WhatsApp's own sentences, which may be the title of a group, and of which."""
        self.angled: Counter[str] = Counter()
        self.edits: Counter[str] = Counter()
        self.has_marks = False
        """U+200E stands in front of what WhatsApp inserted."""
        self._of_a_group: set[str] = set()
        self._has_authors_of_sentences = dialect.is_bracketed or dialect.end == ":"

    @property
    def is_group(self) -> bool:
        """More than two speak. One sentence never makes a group of a chat in which two do; two sentences that only groups have do."""
        people = self.authors.people()
        named = (sentences for name, sentences in self.under.items() if name not in people)
        return len(people) > _TWO or len(self._of_a_group.union(*named)) >= _TWO

    @property
    def is_stripped(self) -> bool:
        """WhatsApp's sentences have authors in this dialect, and nothing marks them."""
        return self._has_authors_of_sentences and not self.has_marks

    def add(self, numbers: tuple[int, int, int], rest: str) -> None:
        """Another line of this dialect."""
        self.evidence.add(numbers)
        if self._has_authors_of_sentences and self._is_notice(rest):
            return
        found = self.authors.learn(rest)
        if found is None:
            self._note(rest, "")
        elif rest.endswith(">"):
            self._note_angled(rest[found[1] :])
        elif rest.endswith(")") and (words := words_behind_a_file(rest[found[1] :])):
            self._count(self.angled, words)

    def _is_notice(self, rest: str) -> bool:
        """True for WhatsApp's own sentence behind a name, which may be a group's and nobody's."""
        end = rest.find(": ")
        if end < 0:
            return False
        body = rest[end + 2 :]
        if not body.startswith(LRM) and self.has_marks:
            return False
        name = " ".join(rest[:end].translate(_NO_MARKS).split())
        if body.startswith(LRM):
            self.has_marks = True
            is_system = read_body(body.lstrip(MARKS), is_marked=True, placeholders=_NOBODY)[0] is ExportedKind.SYSTEM
        else:
            is_system = is_said_unmarked(body, frozenset((plain(name),)))
        if is_system:
            self._note(body, name)
        return is_system

    def _note(self, sentence: str, name: str) -> None:
        if name and (name in self.under or len(self.under) <= _TWO):
            under = self.under.setdefault(name, set())
            if len(under) < _TWO:
                under.add(plain(sentence))
        if len(self._of_a_group) < _TWO and is_of_a_group(sentence):
            self._of_a_group.add(plain(sentence))

    def _note_angled(self, body: str) -> None:
        words, _, mark = body.rpartition("<")
        into = self.edits if words.strip() else self.angled
        if len(mark) < _LONGEST_PLACEHOLDER:
            self._count(into, f"<{mark}")

    @staticmethod
    def _count(into: Counter[str], words: str) -> None:
        if words in into or len(into) < _MOST_PLACEHOLDERS:
            into[words] += 1

    def placeholders(self) -> frozenset[str]:
        """What stands for a file in this export, in a language we may not know."""
        return _repeated(self.angled)

    def marks_of_edits(self) -> frozenset[str]:
        """What stands behind edited messages in this export, in a language we may not know."""
        return _repeated(self.edits)


def _repeated(counts: Counter[str]) -> frozenset[str]:
    return frozenset(
        each for each, count in counts.most_common(_MOST_REPEATED) if count >= _OFTEN and (" " in each or not each.isascii())
    )


_NO_MARKS = str.maketrans("", "", MARKS)


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
        self.impossible_dates = 0
        """Lines that begin like somebody's message, on a day that is none. Nobody's words are taken from them."""
        self._authors: Authors
        self._placeholders = self._edits = _NOBODY
        self._names: frozenset[str] | None = None
        self._headers = HeaderReader()

    def survey(self, progress: Callable[[int], None] | None = None) -> ExportedChat:
        """The dialect, the order and the people are known. Raises DataError when this is no export."""
        scouts: dict[Dialect, _Scout] = {}
        latest: tuple[Dialect, _Scout] | None = None
        recognise = HeaderReader().recognise
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
            latest[1].add(header[1], line[header[5] :])
        if not scouts:
            raise DataError("no_messages", f"No line of {self.file.path.name} begins like a message that WhatsApp exported.")
        self._settle(max(scouts.values(), key=lambda scout: scout.evidence.lines))
        return self.chat

    def _settle(self, scout: _Scout) -> None:
        self.dialect, self._authors = scout.evidence.dialect, scout.authors
        self.order, self.reason = scout.evidence.decide()
        self._placeholders, self._edits = scout.placeholders(), scout.marks_of_edits()
        people = self._authors.people()
        self.chat.people = Counter(people)
        self.chat.is_group = scout.is_group
        if scout.is_stripped:
            self._names = frozenset(plain(name) for name in (*people, *scout.under))

    def messages(self, progress: Callable[[int], None] | None = None) -> Iterator[ExportedMessage]:
        """Every message, in the order of the file. Afterwards `chat`, `lines` and `preamble` are exact."""
        self.chat.kinds, self.chat.people = Counter(), Counter()
        self.lines = self.preamble = self.impossible_dates = 0
        drafts = ImportDrafts()
        for line in self.file.lines(progress):
            self.lines += 1
            impossible = self.impossible_dates
            draft = self._begin(line)
            if draft is not None:
                for finished in drafts.begin(draft):
                    yield self._finish(finished)
            elif not drafts.go_on(line, is_foreign=self.impossible_dates > impossible):
                self.preamble += 1
        yield from map(self._finish, drafts.end())
        if not self.chat.kinds:
            raise DataError(
                "no_messages",
                f"The dates of {self.file.path.name} cannot be read: none of them is a day of our calendar.",
                "Set the phone to the Gregorian calendar and export the chat again.",
            )

    def _begin(self, line: str) -> ImportDraft | None:
        header = self._headers.recognise(line)
        if header is None or (header[0] is not self.dialect and header[0] != self.dialect):
            return None
        _, numbers, hour, minute, second, end = header
        day = day_of(self.order, numbers)
        rest = line[end:]
        author, begins = self._authors.split(rest)
        if day is None:
            self.impossible_dates += author is not None
            return None
        at = datetime(day.year, day.month, day.day, hour, minute, second)  # noqa: DTZ001  an export knows no zone
        body = rest[begins:]
        is_marked = self.dialect.is_bracketed and body.startswith(LRM)
        if author is None and (end := self._end_of_title(rest)) >= 0:
            body, is_marked = rest[end + 2 :], True  # in the name of a group, which is nobody
        is_sure = author is not None or is_marked or is_sentence(body)
        return ImportDraft(at, author, body.lstrip(MARKS), self.lines, line, is_marked=is_marked, is_sure=is_sure)

    def _end_of_title(self, rest: str) -> int:
        """Where the name ends of whom WhatsApp says something about; -1 when somebody else speaks."""
        end = rest.find(": ")
        if self._names is not None:
            return end if end >= 0 and is_said_unmarked(rest[end + 2 :], self._names) else -1
        return end if self.dialect.is_bracketed and rest.startswith(LRM, end + 2) else -1

    def _finish(self, draft: ImportDraft) -> ExportedMessage:
        author, text = draft.author, draft.said()
        if author is None:
            kind, words, media = ExportedKind.SYSTEM, "", None
        else:
            kind, text, words, media = read_body(
                text, is_marked=draft.is_marked, placeholders=self._placeholders, edits=self._edits, names=self._names
            )
        if draft.has_foreign:
            text = draft.text()
        if kind is ExportedKind.SYSTEM:
            author = None
        else:
            assert author is not None
            self.chat.people[author] += 1
        self.chat.kinds[kind] += 1
        self.chat.span.add(draft.at)
        return ExportedMessage(kind, author, draft.at, text, words, draft.number, draft.lines, media)
