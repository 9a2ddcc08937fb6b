"""Homes that are worth a backup: every kind of key, and files that are easily forgotten, torn or let in by mistake."""

import asyncio
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from fakes.process import settings_of
from redis import Redis

from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.server import Role

CONFIG = '[persona]\nname = "Sam"\n[pacing]\nenabled = false\n[sleep]\nenabled = false\n'
FILES = {
    "config.toml": CONFIG,
    ".env": "SECONDME_MODEL__API_KEY=sk-never-shown\n",
    "credentials.json": '{"telegram.owner_id": 7}',
    "personas/default.md": "# Sam\n",
    "personas/仕事.md": "x" * 150,
    "skills/parcel/SKILL.md": "---\nname: parcel\ndescription: Where it is.\n---\n",
    "skills.lock": '{"version": 1, "skills": {}}',
    f"data/skill-snapshots/{'a' * 64}/SKILL.md": "---\nname: parcel\n---\n",
    "data/channels/whatsapp/linked.json": "{}",
    "data/channels/whatsapp/spool": '{"id": "1"}\n',
    "data/local/0a.jsonl": '{"id": "r-0", "text": "hello"}\n',
    f"data/memory/{'b' * 24}.db": "what was said",
    "data/api.token": "t" * 43,
}
LEFT_OUT = (
    "logs/secondme.jsonl",
    "data/channels/whatsapp/device.lock",
    "data/channels/whatsapp/linked.json.new",
    "data/memory/embeddings.cache",
)
DATABASE = "data/channels/whatsapp/device.db"


def write_files(home: Path) -> None:
    """The files above, and a link that must not be followed, a pipe, and things that are no part of a backup."""
    for name, text in {**FILES, **dict.fromkeys(LEFT_OUT, "no")}.items():
        path = home / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
    (home / "data/channels/whatsapp/outside").symlink_to("/etc/passwd")
    os.mkfifo(home / "data/channels/whatsapp/some.thing")


def open_database(home: Path) -> sqlite3.Connection:
    """A database that is being written: its newest row is only in the log beside it."""
    db = sqlite3.connect(home / DATABASE)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE sessions (jid TEXT PRIMARY KEY, session BLOB)")
    db.execute("INSERT INTO sessions VALUES ('a', x'00ff')")
    db.commit()
    return db


def sessions_in(home: Path) -> list[tuple[str, bytes]]:
    """What the database holds, as whoever opens it finds it."""
    with closing(sqlite3.connect(home / DATABASE)) as db:
        return list(db.execute("SELECT * FROM sessions"))


def fill_store(client: Redis, count: int = 300) -> None:
    """Keys of ours of every type, some with an end, and a group with a token that somebody took."""
    now = int(client.time()[0]) * 1000  # type: ignore[index]
    pipe = client.pipeline(transaction=False)
    for number in range(count):
        contact = f"{number}@c.us"
        pipe.set(keys.approved(contact), json.dumps({"contactId": contact, "name": "Ä" * (number % 40)}))
        pipe.zadd(keys.history(contact), {os.urandom(number % 200).hex(): number})
        pipe.pexpireat(keys.history(contact), now + 3_600_000 + number)
        pipe.rpush(keys.inbox(contact), *(f"mail {each}" for each in range(1 + number % 3)))
        pipe.hset(keys.mailbox(contact), mapping={"fence": number, "token": "1-0"})
        pipe.pexpireat(keys.mailbox(contact), now + 86_400_000)
        pipe.sadd(keys.QUEUE_ACTIVE, contact)
        pipe.xadd(keys.QUEUE, {"contact": contact})
    pipe.xgroup_create(keys.QUEUE, keys.QUEUE_GROUP, "0")
    pipe.xreadgroup(keys.QUEUE_GROUP, "somebody", {keys.QUEUE: ">"}, count=5)
    pipe.execute()


def content_of(client: Redis) -> dict[bytes, tuple[Any, int]]:
    """Every key with its value and its end, in a form that does not depend on how a server keeps it. When the last backup was made is noted
    behind it, so no backup holds its own."""
    found: dict[bytes, tuple[Any, int]] = {}
    for name in client.scan_iter(count=1000):
        if name == keys.BACKUP_AT.encode():
            continue
        kind, end = client.type(name), client.pexpiretime(name)
        value: Any
        match kind:
            case b"string":
                value = client.get(name)
            case b"list":
                value = client.lrange(name, 0, -1)
            case b"set":
                value = client.smembers(name)
            case b"zset":
                value = client.zrange(name, 0, -1, withscores=True)
            case b"hash":
                value = client.hgetall(name)
            case _:
                value = (client.xrange(name), client.xpending(name, keys.QUEUE_GROUP))
        found[name] = (value, end)  # type: ignore[assignment]  # the library's types know no synchronous answer
    return found


def with_store(home: Path, work: Any, url: str = "") -> Any:
    """What `work` returns, given a plain client of this home's store."""

    async def run() -> Any:
        setup = settings_of(home, url)
        async with Store(setup, Role.BORROW):
            client = Redis.from_url(url) if url else Redis(unix_socket_path=str(setup.places.store_socket))
            with client:
                return work(client)

    return asyncio.run(run())


def tree(root: Path) -> dict[str, bytes]:
    """Every file and link below `root`, and what is in it; without the server's own notes."""
    return {
        path.relative_to(root).as_posix(): (str(path.readlink()).encode() if path.is_symlink() else path.read_bytes())
        for path in sorted(root.rglob("*"))
        if (path.is_file() or path.is_symlink()) and path.name not in {"server.log", "lock", "gateway.lock", "backup.lock"}
    }
