"""The Lua scripts: loaded from their files, each behind the shared prelude, each run as one round trip."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from inspect import signature
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

from secondme.core.errors import ConfigError
from secondme.core.store import key_types
from secondme.core.store import keys as register

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from importlib.resources.abc import Traversable

    from redis.asyncio import Redis

_KEYS = re.compile(r"^-- KEYS  (.*(?:\n--  .*)*)", re.MULTILINE)
_WORD = re.compile(r"(?P<whole>\[)?(?P<name>\w+)(?:\((?P<of>\w+)\)|\])?(?P<tail>\.\.\.)?")
_LIMIT = re.compile(r"\bLIMIT\.(\w+)")
_FUNCTION = re.compile(r"^local function (\w+)\(", re.MULTILINE)
_FLAGS = re.compile(r"^-- FLAGS (\S+)$", re.MULTILINE)
_TYPED = re.compile(r"\btyped\(([^)]*)\)")
_COUNTS = {"list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN", "stream": "XLEN", "string": "STRLEN"}
"""Type -> the cheapest command that fails on every other, and takes a key that is not there."""
_PRELUDE = "common.lua"
NEVER_IN_THE_WAY = frozenset(
    {"trace", "pairing_stats", "memory_journal", "memory_due", "jobs_fates", "jobs_counts", "grants", "events_log"}
)
"""Keys for the owner to look at: a script does its work without them when they are broken."""

Answer = Any
"""What a script returns: bytes, an integer, or a list of them. Its header says which."""


class Script:
    """One script, known to the server by its SHA-1 and sent in full only when the server has not seen it.

    Its header names its keys behind `-- KEYS`, in this order, up to a colon that stands alone:
    `history`, a key of keys.py, made of the argument that the function there takes, or `queue`, a constant there;
    `history(a)`, the same of the argument `a`, in the script `KEYS.history_a`; `[schedule]`, a whole key that the caller gives;
    last `caches...`, any number of whole keys, in the script `KEYS[TAIL]` and those behind it.

    `typed(KEYS.a, KEYS.b)` in a script fails when one of these keys has another type than keys.py says; `typed()` asks for all but
    strings, which each script reads before it writes, and what no script fails for. It stands in front of the first write: a script that fails behind it would have done half its work.

    `LIMIT.HISTORY_CAP` is the number of that name in keys.py: no home sets it, so it stands in the text and is not sent with each call.
    """

    def __init__(self, name: str, text: str) -> None:
        """Raises LookupError when the script names a key that its header does not name, or it or its header something that keys.py has not."""
        self.name = name
        header = _KEYS.search(text)
        if header is None:
            raise LookupError(f"The script {name} has no header.")
        words = header[1].replace("\n--", "").partition(" : ")[0].split()
        declared = [_declared(name, word) for word in words if word != "none"]
        self.names = tuple(declaration[3] for declaration in declared)
        """What its keys are called in keys.py, in order; empty for those that the caller gives."""
        aliases = {alias.replace("\\", ""): kept_as for alias, _, _, kept_as in declared if kept_as in key_types.TYPES}
        text = _TYPED.sub(lambda match: _type_checks(match[1], aliases), text)
        for position, (alias, *_) in enumerate(declared, 1):
            text = re.sub(rf"\b{alias}\b", str(position) if alias == "TAIL" else f"KEYS[{position}]", text)
        if unknown := re.search(r"\bKEYS\.\w+", text):
            raise LookupError(f"The header of the script {name} has no {unknown[0]}.")
        self.text = _LIMIT.sub(lambda match: str(_limit(name, match[1])), text)
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        arguments = dict.fromkeys(argument for _, argument, *_ in declared if argument)
        made = "".join(f"{expression}, " for _, _, expression, _ in declared)
        self.keys: Callable[..., tuple[str, ...]] = eval(  # noqa: S307  our own headers, compiled once: the gate has fifteen keys
            f"lambda {'*, ' if arguments else ''}{', '.join(arguments)}: ({made})", vars(register)
        )
        """The script's keys in its order, of what its header asks for by keyword; anything else is a TypeError."""
        self.keys.__qualname__ = f"{name}.keys"

    async def run(self, client: Redis, args: tuple[str | bytes | int, ...], given: Mapping[str, str | Iterable[str]]) -> Answer:
        """Run it: one EVALSHA, and one EVAL more on a server that was restarted or flushed (a script runs only once)."""
        execute: Any = client.execute_command  # untyped in the library
        names = self.keys(**given)
        try:
            return await execute("EVALSHA", self.sha, len(names), *names, *args)
        except NoScriptError:
            return await execute("EVAL", self.text, len(names), *names, *args)


def _limit(script: str, name: str) -> int:
    """A number of keys.py. Raises LookupError when there is none of that name."""
    number = getattr(register, name, None)
    if type(number) is not int:
        raise LookupError(f"The script {script} names LIMIT.{name}, which is no number of keys.py.")
    return number


def _type_checks(wanted: str, aliases: Mapping[str, str]) -> str:
    """The commands that `typed(...)` stands for."""
    kinds = {alias: key_types.TYPES[name] for alias, name in aliases.items() if wanted or name not in NEVER_IN_THE_WAY}
    chosen = wanted.replace(" ", "").split(",") if wanted else [alias for alias, kind in kinds.items() if kind != "string"]
    return "; ".join(f"redis.call('{_COUNTS[kinds[alias]]}', {alias})" for alias in chosen)


def _declared(script: str, word: str) -> tuple[str, str, str, str]:
    """One key of a header: what stands for it in the script, the argument that it is made of, if any, the expression that makes it, and
    its name in keys.py."""
    match = _WORD.fullmatch(word)
    name = match["name"] if match else word
    if match and match["tail"]:
        return "TAIL", name, f"*{name}", ""
    if match and match["whole"]:
        return rf"KEYS\.{name}", name, name, ""
    make = getattr(register, name, None)
    if match and callable(make):
        of = match["of"] or next(iter(signature(make).parameters))
        return rf"KEYS\.{name}" + (f"_{of}" if match["of"] else ""), of, f"{name}({of})", name
    if not hasattr(register, name.upper()):
        raise LookupError(f"The header of the script {script} names {word}, which is no key.")
    return rf"KEYS\.{name}", "", name.upper(), name


@cache
def script(name: str) -> Script:
    """The script of `lua/<name>.lua`; each file is read once. Raises ConfigError when the installation lacks it, or a part of it."""
    try:
        return Script(name, _text(name))
    except (LookupError, OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "installation_damaged",
            f"The installation is damaged: the script {name} is missing, or a part of it.",
            "Install secondme again: pip install --force-reinstall secondme",
        ) from error


def check_installed() -> None:
    """Every script that is ever run can be. Raises ConfigError: better at the start than at the first message."""
    for name in EVERY:
        script(name)


EVERY = [
    "account",
    "admit",
    "adopt",
    "agree",
    "approve",
    "begin",
    "bury",
    "call_job",
    "cancel_invite",
    "challenge",
    "claim_job",
    "choose",
    "conclude_job",
    "context",
    "clear_birthday",
    "correct",
    "count_try",
    "defer",
    "due",
    "edit",
    "end_reading",
    "expect",
    "expire",
    "expire_turns",
    "finish",
    "forget",
    "glance",
    "hurry",
    "inherit",
    "invite",
    "keep",
    "keep_birthday",
    "keep_promises",
    "keep_reading",
    "keep_style",
    "learn",
    "lease",
    "link",
    "newest",
    "note",
    "pause",
    "precede",
    "put_job",
    "recent",
    "recollect",
    "redeem",
    "relate",
    "release",
    "remove",
    "remove_job",
    "renew",
    "repair",
    "replan",
    "replan_pause",
    "replan_rows",
    "repost",
    "reserve",
    "restart_idle",
    "resume",
    "retract",
    "retry",
    "revise",
    "revive",
    "revoke",
    "sent",
    "set_aside",
    "settle",
    "settle_promise",
    "suggest",
    "sweep",
    "take",
    "takeover",
    "tell",
    "tend_job",
    "try_rights",
    "unblock",
    "unlist",
    "unlink",
    "wake",
    "watch_clock",
    "webhook_add",
    "webhook_claim",
    "webhook_conclude",
    "webhook_enable",
    "webhook_enqueue",
    "webhook_replay",
    "webhook_rotate",
    "write_job",
    "write_own",
]
"""Every script that is run anywhere."""


def names() -> list[str]:
    """Every script there is, sorted."""
    return sorted(_paths())


@cache
def _paths() -> dict[str, Traversable]:
    """Every file of a script, by its name: they lie in `lua/` beside the code that runs them, and no two have one name."""
    folders = [folder.joinpath("lua") for folder in files("secondme.core").iterdir()]
    found = [entry for folder in folders if folder.is_dir() for entry in folder.iterdir()]
    return {entry.name[:-4]: entry for entry in found if entry.name.endswith(".lua") and entry.name != _PRELUDE}


def _text(name: str) -> str:
    """The script behind the shared functions it needs: making all of them anew for each call would cost as much as two commands.

    Behind `-- FLAGS` it may say what it never does: what writes nothing is run where nothing can be written, on a full disk too.
    """
    body = _paths()[name].read_text("utf-8")
    for block in reversed(files("secondme.core.store").joinpath("lua", _PRELUDE).read_text("utf-8").split("\n\n")):
        function = _FUNCTION.search(block)
        if function and re.search(rf"\b{function[1]}\(", body):
            body = f"{block}\n{body}"
    flags = _FLAGS.search(body)
    return f"#!lua{f' flags={flags[1]}' if flags else ''}\n{body}"
