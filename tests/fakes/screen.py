"""The screen as a person uses it: Pilot presses the keys, the real store is behind it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.process import eventually
from redis import Redis
from rich.text import Text
from textual.command import CommandPalette
from textual.content import Content
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widgets import Input, LoadingIndicator, Static
from textual.widgets._toast import Toast

from secondme.cli.tui.app import SecondmeApp
from secondme.cli.tui.panes import Sheet
from secondme.cli.tui.rows import Rows
from secondme.core import log
from secondme.core.clock import SystemClock, to_ms
from secondme.core.config.loader import Setup
from secondme.core.store import keys

NOON = datetime(2099, 3, 14, 12, 0, tzinfo=UTC)
"""When snapshots are taken. The store's own clock is far behind, so nothing expires under them."""

HOSTILE = [
    "\x1b[31mred", "\x1b]52;c;aGk=\x07", "\x1b]8;;http://x\x1b\\link", "\x9b2J", "\x1b[6n", "\x1b]0;title", "a\x00b", "\r\nnew line",
    "\u202eevil\u202c", "\u2066x\u2069", "zero\u200bwidth", "[bold red]markup[/]", "[/]", "[@click=app.quit]quit[/]", "[link=http://x]y",
    "$variable", "{0}", "%s", "\ud83d", "👩‍👩‍👧‍👦" * 20, "é" * 300, "\u0301" * 50, "表" * 80, "", "   ", "\u2028line",
]  # fmt: skip
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\u2028\u2029]")
"""What a terminal would obey, or an eye would miss."""


class StoppedClock(SystemClock):
    """It is always NOON; waiting is real."""

    def now_ms(self) -> int:
        return to_ms(NOON)


async def settled(app: SecondmeApp) -> None:
    """No widget has a message left. The framework's own pilot looks at the clock instead: it waits until the whole process computes little
    for 20 ms, three times for each key, which a busy machine draws out to a second each."""
    quiet = 0
    while quiet < 10 and app.failure is None:  # a key passes through a few turns of the loop before it is anybody's message
        widgets = [widget for screen in app.screen_stack for widget in screen.walk_children(with_self=True)]
        quiet = 0 if any(each.message_queue_size for each in (app, *widgets)) else quiet + 1
        await asyncio.sleep(0)


def hold_the_brush(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in a picture depends on when it is taken: local time is UTC, nothing is animated, and no cursor blinks."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")  # Textual reads its environment when it is imported
    monkeypatch.setattr(Input.cursor_blink, "_default", False)
    time.tzset()


async def still(app: SecondmeApp) -> None:
    """Everything that the screen was asked for has been read and shown."""
    before: list[Any] = []
    now: list[Any] = [[]]
    while now != before or _is_reading(app, now):
        await asyncio.sleep(0.1)
        await settled(app)
        before, now = now, [list(strip) for strip in app.screen._compositor.render_strips()]


def _is_reading(app: SecondmeApp, lines: list[Any]) -> bool:
    if isinstance(app.screen, CommandPalette):
        return not app.screen.has_class("-ready") or any(each.has_class("--visible") for each in app.screen.query(LoadingIndicator))
    return any("Looking" in part.text for line in lines for part in line)


class Screen:
    """What is on the screen, in words, and the keys to change it."""

    def __init__(self, app: SecondmeApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    async def press(self, *keys_: str) -> None:
        await self.pilot.press(*keys_)
        await self.pilot.pause()

    async def write(self, text: str) -> None:
        await self.press(*text)

    def page(self, name: str) -> Any:
        return self.app.query_one(f"#page-{name}")

    def keys(self, name: str) -> list[str]:
        """The keys of a page's rows, in order."""
        return list(self.list(name).keys)

    def lines(self, name: str) -> list[str]:
        """What the rows of a page say."""
        rows = self.list(name)
        return [rows.text_of(key) for key in rows.keys]

    def list(self, name: str) -> Rows:
        """The list of a page."""
        return self.app.query_one(f"#rows-{name}", Rows)

    def sheet(self, name: str) -> str:
        """What is said of the row under the cursor."""
        return self.app.query_one(f"#sheet-{name}", Sheet).text

    async def at(self, name: str, key: str) -> None:
        """The cursor of a page stands on this row."""
        await self.until(lambda: key in self.keys(name))
        self.list(name).move_to(key)
        await self.until(lambda: self.list(name).current == key)
        await self.pilot.pause()

    @property
    def hints(self) -> str:
        """The last line."""
        return self.text("#hints")

    def text(self, selector: str) -> str:
        """The words of a widget."""
        return words(self.app.screen.query_one(selector, Static))

    @property
    def toasts(self) -> list[str]:
        return [re.sub(r"\s+", " ", str(toast.render())).strip() for toast in self.app.screen.query(Toast)]

    async def said(self, pattern: str) -> str:
        """The first toast that fits."""
        return str(await self.until(lambda: next((toast for toast in self.toasts if re.search(pattern, toast)), None)))

    async def until(self, claim: Callable[[], Awaitable[Any]] | Callable[[], Any]) -> Any:
        def unless_ended() -> Any:
            if self.app.failure is not None:
                raise self.app.failure
            return claim()

        return await eventually(unless_ended)

    async def dialog(self, kind: str) -> None:
        """A dialog of this kind is on the screen, and takes keys: what is pressed before is lost."""
        await self.until(
            lambda: type(self.app.screen).__name__ == kind and (kind == "StopDialog" or self.app.screen.focused is not None)
        )
        await self.pilot.pause()

    async def closed(self) -> None:
        await self.until(lambda: len(self.app.screen_stack) == 1)

    def input(self) -> Input:
        return self.app.screen.query_one(Input)


def shown(on: Screen) -> str:
    """Every character on the screen."""
    lines: list[Strip] = on.app.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in lines)


def words(widget: Static) -> str:
    content = widget.content
    return content.plain if isinstance(content, Content | Text) else str(content)


def stand_at_noon(client: Redis) -> None:
    """People in every state, as they are at NOON of the snapshots."""
    client.flushall()

    def ms(minutes: float) -> int:
        return to_ms(NOON + timedelta(minutes=minutes))

    pending = [
        ("4915112345678@c.us", "Anna Berger", "whatsapp", "041734", -12, 18),
        ("telegram:99887766", "Emil", "telegram", "730021", -26, 4),
        ("local:zoë-with-a-rather-long-name-that-never-ends", "Zoë 张伟 with a rather long name", "local", "555019", -29.4, 0.6),
    ]
    for contact, name, channel, code, asked, ends in pending:
        record = {
            "contactId": contact, "phoneNumber": contact.split("@")[0], "displayName": name, "channelId": channel, "code": code,
            "requestedAt": ms(asked), "status": "pending", "expiresAt": ms(ends),
        }  # fmt: skip
        client.set(keys.pending(contact), json.dumps(record))
        client.set(keys.code(code), contact)
        client.zadd(keys.INDEX_PENDING, {contact: ms(ends)})
    approved = [
        ("49301234567@c.us", "Mama", "trusted", "Ruft sonntags an. Nie über Geld reden.", -60 * 24 * 40),
        ("telegram:1234", "Boss", "restricted", "", -60 * 24 * 30),
        ("34600111222@c.us", "Lucía", "standard", "", -60 * 24 * 3),
    ]
    for contact, name, tier, notes, when in approved:
        record = {
            "contactId": contact, "phoneNumber": contact.split("@")[0], "displayName": name, "approvedAt": ms(when), "approvedBy": "cli",
            "tier": tier, **({"notes": notes} if notes else {}),
        }  # fmt: skip
        client.set(keys.approved(contact), json.dumps(record))
        client.zadd(keys.INDEX_APPROVED, {contact: ms(when)})
    client.set(keys.pause("telegram:1234"), json.dumps({"pausedAt": ms(-5), "reason": "manual", "until": ms(55)}))
    denied = {
        "contactId": "local:spam", "phoneNumber": "local:spam", "displayName": "Great Offers", "deniedAt": ms(-90), "deniedBy": "tui",
        "reason": "wants to sell something", "expiresAt": ms(22.5 * 60),
    }  # fmt: skip
    client.set(keys.denied("local:spam"), json.dumps(denied))
    client.zadd(keys.INDEX_DENIED, {"local:spam": ms(22.5 * 60)})
    gateway = {
        "part": "all", "host": "elsewhere", "pid": 1, "version": "0", "startedAt": ms(-60), "at": ms(60 * 24 * 365),
        "channels": {
            "whatsapp": {"state": "connected", "since": ms(-58), "received": 42, "sent": 17, "failed": 1, "lastReceivedAt": ms(-3)},
            "telegram": {"state": "needs_owner", "code": "telegram_token_refused", "since": ms(-9)},
            "local": {"state": "connected", "since": ms(-60)},
        },
    }  # fmt: skip
    client.hset(keys.GATEWAYS, "all-1", json.dumps(gateway))


def talk_at_noon(client: Redis) -> None:
    """What was said, held and spent by NOON, beside the people of `stand_at_noon`."""

    def ms(minutes: float) -> int:
        return to_ms(NOON + timedelta(minutes=minutes))

    def says(contact: str, kind: str, text: str, minutes: float, ident: str) -> None:
        role = "user" if kind == "incoming" else "assistant"
        turn = {"id": ident, "role": role, "content": text, "timestamp": ms(minutes), "type": kind}
        client.zadd(keys.history(contact), {json.dumps(turn): ms(minutes)})

    mama, boss, lucia = "49301234567@c.us", "telegram:1234", "34600111222@c.us"
    says(mama, "incoming", "Kommst du am Sonntag?\nOma ist auch da.", -190, "a1")
    says(mama, "outgoing", "Klar, ich bringe den Nachtisch mit 🍰", -189, "r1")
    says(mama, "fromMe", "bin um 3 da!", -100, "a2")
    says(mama, "incoming", "Schön 👍", -98, "a3")
    says(mama, "incoming", "Bist du eigentlich ein Roboter geworden, du antwortest so schnell?", -7, "a4")
    says(boss, "incoming", "Where is the contract? I need it signed by Friday.", -20, "b1")
    says(lucia, "outgoing", "jaja, mañana te cuento 😘", -60 * 26, "c1")
    for contact, ident, stage, minutes, facts in (
        (mama, "a4", "held", -6, {"reply": "d1", "reason": "disclosure"}),
        (boss, "b1", "held", -19, {"reply": "d2", "reason": "tier"}),
    ):
        passed = {"stage": stage, "at": ms(minutes), "messages": [ident], **facts}
        client.rpush(keys.trace(contact), json.dumps(passed))
    for contact, reply, reason, minutes, text, fault in (
        (mama, "d1", "disclosure", -6, "Nein Mama, ich bin nur schnell 😄", "disclosure"),
        (boss, "d2", "tier", -19, "You will have it tomorrow morning, both copies.", ""),
    ):
        row = {
            "rowId": f"{reply}-1", "replyId": reply, "contactId": contact, "channelId": "local", "kind": "reply", "text": text,
            "composedAt": ms(minutes), "typingFrom": ms(minutes), "dueAt": ms(minutes), "fault": fault,
        }  # fmt: skip
        client.rpush(keys.held(contact), json.dumps({"row": row, "reason": reason, "heldAt": ms(minutes)}))
        client.zadd(keys.HELD_INDEX, {contact: ms(minutes)})
    for back, micros in ((0, 1_840_000), (1, 912_300), (3, 44_100)):
        sums = {"calls": 3 + back, "input": 8_400, "output": 1_210, "cache_read": 31_000, "cache_write": 2_100, "micros": micros}
        client.hset(keys.token_stats(f"{NOON - timedelta(days=back):%Y-%m-%d}"), mapping=sums)


def jobs_at_noon(client: Redis) -> None:
    """Jobs in every state by NOON, beside the people of `stand_at_noon`, and a draft that one wrote behind which something was said."""
    mama, boss = "49301234567@c.us", "telegram:1234"

    def ms(hours: float) -> int:
        return to_ms(NOON + timedelta(hours=hours))

    def put(job: str, name: str, schedule: dict[str, Any], state: dict[str, Any], *lines: dict[str, Any], **more: Any) -> None:
        record = {
            "id": job, "rev": 1, "name": name, "kind": "say", "target": "self", "schedule": {"zone": "Europe/Berlin", **schedule}, "text": "",
            "graceS": 0, "origin": "cli", "createdAt": ms(-300), "editedAt": ms(-300), **more,
        }  # fmt: skip
        client.set(keys.job_definition(job), json.dumps(record))
        client.hset(keys.job_state(job), mapping={"rev": 1, "enabled": 1, "cursor": ms(0), **state})
        client.zadd(keys.JOBS_INDEX, {job: ms(-300)})
        for line in lines:
            client.rpush(keys.job_log(job), json.dumps(line))

    def ran(hours: float, outcome: str, **more: Any) -> dict[str, Any]:
        return {"occurrence": ms(hours), "at": ms(hours), "outcome": outcome, "ms": 12, **more}

    cron = {"kind": "cron"}
    put(
        "a3f29c01", "Sunday call", cron | {"expr": "0 18 * * 0"}, {}, ran(-138, "sent", platformIds=["3EB0C767D26A"]), ran(-1, "draft"),
        kind="write", target=mama, text="Write to her and ask whether to ring at six.",
    )  # fmt: skip
    put(
        "digest",
        "Morning digest",
        cron | {"expr": "30 7 * * *"},
        {},
        ran(-29.5, "sent"),
        ran(-5.5, "idle"),
        kind="digest",
        origin="ready",
    )
    failed = {"enabled": 0, "why": "failed"}
    put(
        "b7710001", "Rent reminder", cron | {"expr": "0 9 1 * *"}, failed, ran(-323, "given_up", why="timeout"), text="Pay the rent"
    )
    put(
        "c0ffee01", "How is the boss?", cron | {"expr": "0 10 * * 1-5"}, {}, ran(-2, "refused", why="reach"), kind="write", target=boss,
        text="Ask about the contract.",
    )  # fmt: skip
    put("d00d0001", "Gym", {"kind": "every", "everyS": 172_800, "anchorMs": ms(-300)}, {"enabled": 0, "why": "paused"}, text="Go!")
    put(
        "e0e00001",
        "Dentist",
        {"kind": "at", "atMs": ms(22), "said": "tomorrow 10:00"},
        {},
        text="Dentist at eleven",
        origin="owner-chat",
    )
    put("f00d0001", "Money", {"kind": "trigger", "name": "budget", "amount": 80}, {}, text="Much of the budget is spent")
    row = {
        "rowId": "e5-1", "replyId": "e5e5e5e5", "contactId": mama, "channelId": "local", "kind": "reply", "text": "Soll ich um sechs anrufen?",
        "composedAt": ms(-1), "typingFrom": ms(-1), "dueAt": ms(-1), "job": "a3f29c01", "occurrence": ms(-1), "category": "write", "basis": "x",
    }  # fmt: skip
    client.rpush(keys.held(mama), json.dumps({"row": row, "reason": "proactive", "heldAt": ms(-1)}))
    client.zadd(keys.HELD_INDEX, {mama: ms(-1)})


def write_security_log(setup: Setup) -> Path:
    """Four events, as at NOON."""
    path = log.security_file(setup.places.logs)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lines = [
        ("11:31:02", "info", {"event": "pairing_request", "contactId": "4915****78@c.us", "channel": "whatsapp", "prompted": True}),
        ("11:40:10", "warning", {"event": "pairing_code_attempt", "contactId": "telegram:9988****66", "success": False}),
        (
            "11:52:44",
            "warning",
            {"event": "suspicious_content", "contactId": "4930****67@c.us", "flags": "url_shortener", "risk": 0.25},
        ),
        ("11:59:59", "error", {"event": "auth_session_expired", "channel": "whatsapp"}),
    ]
    with path.open("w") as file:
        for at, level, facts in lines:
            stamp = {"timestamp": f"2099-03-14T{at}.000Z", "level": level, "category": "security"}
            file.write(json.dumps({**stamp, **facts}) + "\n")
    return path
