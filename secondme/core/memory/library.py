"""The memories of all contacts: a file each, opened when it is needed; a search sees those of the contacts it is for, and no other."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict, deque
from contextlib import contextmanager, suppress
from datetime import UTC, tzinfo
from itertools import accumulate, count
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from secondme.core.errors import BusyError
from secondme.core.memory.cipher import MemoryKeys, database_errors, is_plain, recode
from secondme.core.memory.index import ConversationIndex, CorruptIndexError
from secondme.core.memory.messages import ANYBODY, SearchFindings
from secondme.core.memory.ranking import NO_HINTS, MemoryHints, RankedMessage, rank
from secondme.core.memory.tokens import nearest
from secondme.core.memory.vectors import nearness, pack_vector

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from secondme.core.config.models import MemorySettings
    from secondme.core.memory.fact_table import KeptFact
    from secondme.core.memory.facts import Fact
    from secondme.core.memory.messages import MemoryCandidate, MemoryMessage, SpokenBy
    from secondme.core.memory.query import MemoryQuery

_MOST_OPEN = 32
_NAME_LETTERS = 24
_MOST_TERMS = 24
"""Of one question: the rarest."""
_TOO_COMMON, _NOT_MANY, _ENOUGH_TERMS = 0.2, 50, 2
"""A term in a larger share of the messages, and in more than 50, is not looked for where two rarer ones are."""
_MOST_PLACES = 1_500
"""Where candidates are looked for by the rarest terms: each place costs time, in a long conversation most of it."""
_MOST_UNKNOWN = 4
"""Terms that nobody wrote, for which others are looked for."""
_SHORTEST_UNKNOWN = 4
_CANDIDATES, _CANDIDATES_OF_MANY = 100, 80
_MANY = 4_000
"""Messages from which on fewer candidates are looked at: finding them takes the time then."""
_BY_MEANING = 40
_ASIDE = ".broken-"
_SETTLED = ".settled"
"""At the end of the name of a damaged file after which the index was made anew."""


_T = TypeVar("_T")


class _Held:
    """The lock of one contact, and its index while it is open."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.index: ConversationIndex | None = None
        self.inode = 0
        self.users = 0

    def close(self) -> None:
        """Its index is not open any more."""
        if self.index:
            self.index.close()
            self.index = None


class Memories:
    """The memories in `directory`. Threads may share it: each contact has one writer or reader at a time.

    A file that turns out to be damaged is moved aside, and the call goes on with an empty memory; `damaged` says whose it was, so that
    it is filled again. Methods raise BusyError and UnavailableError as ConversationIndex does.
    """

    def __init__(self, directory: Path, settings: MemorySettings, *, zone: tzinfo = UTC) -> None:
        self._directory, self._settings, self._zone = directory, settings, zone
        self._damaged: deque[str] = deque()
        self._keys = MemoryKeys(directory.with_name("memory-keys"))
        self._lock = threading.Lock()
        self._held: OrderedDict[str, _Held] = OrderedDict()

    def append(self, contact: str, messages: Iterable[MemoryMessage]) -> int:
        """As ConversationIndex.append."""
        kept = list(messages)
        return self.write(contact, lambda index: index.append(kept))

    def edit(self, contact: str, message_id: str, text: str, by: Collection[str] = ANYBODY) -> bool:
        """As ConversationIndex.edit."""
        return self.read(contact, lambda index: index.edit(message_id, text, by), otherwise=False)

    def forget_messages(self, contact: str, message_ids: Collection[str], by: Collection[str] = ANYBODY) -> int:
        """As ConversationIndex.forget."""
        return self.read(contact, lambda index: index.forget(message_ids, by), otherwise=0)

    def older(self, contact: str, at_ms: int) -> list[str]:
        """As ConversationIndex.older."""
        return self.read(contact, lambda index: index.older(at_ms), otherwise=[])

    def expired(self, contact: str, now_ms: int) -> list[str]:
        """As ConversationIndex.expired."""
        return self.read(contact, lambda index: index.expired(now_ms), otherwise=[])

    def next_expiry(self, contact: str) -> int | None:
        """As ConversationIndex.next_expiry."""
        return self.read(contact, lambda index: index.next_expiry(), otherwise=None)

    def messages(self, contact: str) -> list[MemoryMessage]:
        """Everything that is remembered of `contact`, in its order."""
        return self.read(contact, lambda index: index.messages(), otherwise=[])

    def spoken(
        self, contact: str, sessions: Collection[int] | None = None, *, own: bool = False
    ) -> list[tuple[str, int, SpokenBy, str, int]]:
        """As ConversationIndex.spoken."""
        return self.read(contact, lambda index: index.spoken(sessions, own=own), otherwise=[])

    def add_facts(self, contact: str, facts: Sequence[Fact]) -> int:
        """As ConversationIndex.add_facts."""
        return self.read(contact, lambda index: index.add_facts(facts), otherwise=0)

    def named(self, contact: str, message_ids: Collection[str]) -> list[MemoryCandidate]:
        """As ConversationIndex.named."""
        return self.read(contact, lambda index: index.named(message_ids), otherwise=[])

    def facts(self, contact: str) -> list[KeptFact]:
        """As ConversationIndex.facts."""
        return self.read(contact, lambda index: index.facts(), otherwise=[])

    def newest_facts(self, contact: str, most: int) -> list[KeptFact]:
        """As ConversationIndex.newest_facts."""
        return self.read(contact, lambda index: index.newest_facts(most), otherwise=[])

    def forget_facts(self, contact: str, keys: Collection[str]) -> int:
        """As ConversationIndex.forget_facts."""
        return self.read(contact, lambda index: index.forget_facts(keys), otherwise=0)

    def correct_fact(self, contact: str, key: str, value: str, at_ms: int) -> bool:
        """As ConversationIndex.correct_fact."""
        return self.read(contact, lambda index: index.correct_fact(key, value, at_ms), otherwise=False)

    def facts_about(self, contact: str, text: str) -> list[tuple[KeptFact, float]]:
        """As ConversationIndex.facts_about."""
        return self.read(contact, lambda index: index.facts_about(text), otherwise=[])

    def said_in(self, contact: str, message_ids: Collection[str]) -> list[tuple[str, int, SpokenBy, str, int]]:
        """As ConversationIndex.said_in."""
        return self.read(contact, lambda index: index.said_in(message_ids), otherwise=[])

    def count(self, contact: str) -> int:
        """How many messages of `contact` are remembered."""
        return self.read(contact, lambda index: index.size()[0], otherwise=0)

    def search(
        self, contacts: Sequence[str], query: MemoryQuery, *, hints: Mapping[str, MemoryHints] = MappingProxyType({})
    ) -> list[RankedMessage]:
        """What is remembered of these contacts (the accounts of one person) and answers `query`, the best first; of each a hundred or so at most.

        `hints` are by contact; ids that are not its own are ignored.
        """
        weights = self._settings.weights
        found = {}
        for contact in dict.fromkeys(contacts):
            hint = hints.get(contact, NO_HINTS)

            def look(index: ConversationIndex, hint: MemoryHints = hint) -> SearchFindings:
                return _look(
                    index,
                    query,
                    by_keyword=weights.keyword > 0,
                    others=[*(_best(hint.meanings) if weights.semantic else ()), *(hint.graph if weights.graph else ())],
                )

            findings = self.read(contact, look, otherwise=None)
            if findings:
                found[contact] = findings
        return rank(query, found, weights, hints=hints, zone=self._zone)

    def rebuild(self, contact: str) -> None:
        """As ConversationIndex.rebuild; and of damaged files of the contact, which are still kept, nobody needs to be told any more."""
        self.read(contact, lambda index: index.rebuild(), otherwise=None)
        with self._holding(contact):
            for path in self.files(contact):
                if is_damaged(path):
                    path.rename(path.with_name(f"{path.name}{_SETTLED}"))

    def keep_vectors(self, contact: str, model: str, vectors: Mapping[str, Sequence[float]]) -> None:
        """The messages with these ids have these vectors; `model` names what made them, and only vectors of one model are compared."""
        packed = {message_id: pack_vector(vector) for message_id, vector in vectors.items()}
        self.read(contact, lambda index: index.keep_vectors(model, packed), otherwise=None)

    def without_vector(self, contact: str, model: str, most: int, dimensions: int = 0) -> list[tuple[str, str]]:
        """As ConversationIndex.without_vector."""
        return self.read(contact, lambda index: index.without_vector(model, most, dimensions), otherwise=[])

    def meanings(self, contact: str, model: str, asked: Sequence[float]) -> dict[str, tuple[float, float]]:
        """How near in meaning each message with a vector of `model` is to what was `asked`, for MemoryHints."""
        return nearness(self.read(contact, lambda index: index.vectors(model), otherwise=[]), asked)

    def forget(self, contact: str) -> bool:
        """No file of `contact` is left; true when there was one. Repeatable."""
        with self._holding(contact) as held:
            held.close()
            paths = self.files(contact)
            for path in paths:
                path.unlink(missing_ok=True)
            self._keys.forget(self._path(contact).stem)
            return bool(paths)

    def discard_damaged(self, contact: str, texts: Iterable[str]) -> None:
        """No file of `contact` that was moved aside, or is half of another, has one of `texts`: those that do are gone. Repeatable."""
        with self._holding(contact):
            damaged = [path for path in self.files(contact) if _ASIDE in path.name or path.name.startswith(".")]
            sought = [text.encode() for text in texts if text] if damaged else []
            for path in damaged:
                content = path.read_bytes()
                if any(each in content for each in sought):
                    path.unlink()

    def files(self, contact: str) -> list[Path]:
        """The files that hold something of `contact`, those that were moved aside too."""
        name = self._path(contact).name
        return sorted(
            [*self._directory.glob(f"{name}*"), *self._directory.glob(f".{name}.*")]
        )  # a killed `recode` leaves the latter

    def all_files(self) -> list[Path]:
        """Every file of every memory."""
        return sorted(path for path in self._directory.glob("*.db*") if path.is_file())

    def left_of(self, words: Collection[str], contact: str | None = None) -> list[Path]:
        """The files in which one of `words` is still to be read, byte for byte; with `contact` only theirs: others may say the same."""
        sought = [word.encode() for word in words]
        files = self.files(contact) if contact else sorted(path for path in self._directory.glob("*") if path.is_file())
        return [path for path in files if any(each in path.read_bytes() for each in sought)]

    def damaged(self) -> list[str]:
        """Contacts whose file was moved aside, and who were not `mended` yet."""
        return list(dict.fromkeys(self._damaged))

    def mended(self, contact: str) -> None:
        """What could be done about the contact's damaged file was done. Repeatable."""
        self._damaged = deque(each for each in self._damaged if each != contact)

    def close(self) -> None:
        """No file is open; the next call opens what it needs."""
        for contact in list(self._held):
            with self._holding(contact) as held:
                held.close()

    def _path(self, contact: str) -> Path:
        """The contact's file. The id is only ever hashed: nothing of it is in a path."""
        digest = hashlib.sha256(contact.encode("utf-8", "surrogatepass")).hexdigest()
        return self._directory / f"{digest[:_NAME_LETTERS]}.db"

    @contextmanager
    def _holding(self, contact: str) -> Iterator[_Held]:
        """The contact is ours alone until the end; indexes that were not used for long are closed."""
        with self._lock:
            held = self._held.setdefault(contact, _Held())
            self._held.move_to_end(contact)
            held.users += 1
            idle = [(name, each) for name, each in self._held.items() if not each.users]
            for name, each in idle[: max(len(self._held) - _MOST_OPEN, 0)]:
                del self._held[name]
                each.close()
        try:
            with held.lock:
                yield held
        finally:
            with self._lock:
                held.users -= 1

    def write(self, contact: str, do: Callable[[ConversationIndex], _T]) -> _T:
        """What `do` returns for the contact's index, which is made when there is none."""
        with self._holding(contact) as held:
            try:
                return self._done(contact, held, do)
            except CorruptIndexError:
                self._move_aside(contact, held)
                return self._done(contact, held, do)

    def read(self, contact: str, do: Callable[[ConversationIndex], _T], *, otherwise: _T) -> _T:
        """What `do` returns for the contact's index; `otherwise` when there is none, or it is damaged."""
        with self._holding(contact) as held:
            if not self._path(contact).exists():
                held.close()
                return otherwise
            try:
                return self._done(contact, held, do)
            except CorruptIndexError:
                self._move_aside(contact, held)
                return otherwise

    def _done(self, contact: str, held: _Held, do: Callable[[ConversationIndex], _T]) -> _T:
        """What `do` returns for the file that has the contact's name afterwards too: another process may have put one in its place meanwhile.
        All that is done to an index may be repeated."""
        done = do(self._opened(contact, held))
        if self.identity(contact) not in {held.inode, None}:
            done = do(self._opened(contact, held))
        return done

    def identity(self, contact: str) -> int | None:
        """Which file it is; another number once it was forgotten and made anew, None while there is none."""
        try:
            return self._path(contact).stat().st_ino
        except OSError:
            return None

    def _opened(self, contact: str, held: _Held) -> ConversationIndex:
        """The contact's index. Another process may have forgotten the contact: an index whose file has lost its name is not used again."""
        path = self._path(contact)
        if held.index and (not path.exists() or path.stat().st_ino != held.inode):
            held.close()
        if held.index is None:
            before = self.identity(contact)
            key = self._key(path)
            held.index = ConversationIndex(path, idle_minutes=self._settings.idle_minutes, zone=self._zone, key=key)
            held.inode = before if key is None and before is not None else path.stat().st_ino
        return held.index

    def _key(self, path: Path) -> str | None:
        """What the file is to be opened with. One that is not encrypted as the owner wants is made so first, unless another process has it
        open: then it is later."""
        known = self._keys.find(path.stem)
        if known is None and not self._settings.encrypt:
            return None
        key = known or self._keys.make(path.stem)
        has_content = path.exists() and path.stat().st_size > 0
        if not has_content:
            return key if self._settings.encrypt else None
        was_plain = is_plain(path)
        if was_plain is self._settings.encrypt:
            try:
                recode(path, None if was_plain else key, key if was_plain else None)
            except BusyError:
                return None if was_plain else key
            except database_errors() as error:
                raise CorruptIndexError("memory_corrupt", "A file of the memory is damaged.") from error
        return key if self._settings.encrypt else None

    def _move_aside(self, contact: str, held: _Held) -> None:
        """The damaged file has another name, and what belonged to it is gone."""
        held.close()
        path = self._path(contact)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        names = (f"{path.name}{_ASIDE}{n}" for n in count(1))
        aside = next(path.with_name(name) for name in names if not any(path.parent.glob(f"{name}*")))
        with suppress(FileNotFoundError):
            path.rename(aside)
            aside.chmod(0o600)
            self._damaged.append(contact)


def is_damaged(path: Path) -> bool:
    """True for a file that was moved aside since the contact's index was last made anew."""
    return _ASIDE in path.name and not path.name.endswith(_SETTLED)


def _best(meanings: Mapping[str, tuple[float, float]]) -> list[str]:
    """The messages that are nearest by meaning."""
    return sorted(meanings, key=lambda each: -sum(meanings[each]))[:_BY_MEANING]


def _look(index: ConversationIndex, query: MemoryQuery, *, by_keyword: bool, others: Collection[str]) -> SearchFindings:
    """What one index knows of a query's terms. A term that nobody wrote stands for those like it, one that is everywhere for nothing."""
    messages, words = index.size()
    frequencies = index.frequencies(query.terms) if by_keyword else {}
    unknown = [term for term in query.terms if term not in frequencies and len(term) >= _SHORTEST_UNKNOWN and not term.isdigit()]
    for term in unknown[:_MOST_UNKNOWN] if by_keyword else ():
        frequencies |= index.frequencies(nearest(term, index.vocabulary(term[0])))
    terms = sorted(frequencies, key=lambda term: (frequencies[term], term))[:_MOST_TERMS]
    common = max(_TOO_COMMON * messages, _NOT_MANY)
    terms = [term for at, term in enumerate(terms) if at < _ENOUGH_TERMS or frequencies[term] <= common]
    sums = accumulate(frequencies[term] for term in terms)
    rarest = [
        term for at, (term, places) in enumerate(zip(terms, sums, strict=True)) if at < _ENOUGH_TERMS or places <= _MOST_PLACES
    ]
    candidates = index.matching(rarest, _CANDIDATES if messages < _MANY else _CANDIDATES_OF_MANY)
    missing = set(others) - {each.id for each in candidates}
    return SearchFindings(
        messages,
        words,
        {term: frequencies[term] for term in terms},
        [*candidates, *(index.named(missing) if missing else ())],
        index.sessions(terms),
    )
