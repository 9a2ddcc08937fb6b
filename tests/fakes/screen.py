"""The screen as a person uses it: Pilot presses the keys, the real store is behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fakes.process import eventually
from redis import Redis
from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import Input, Static
from textual.widgets._toast import Toast

from secondme.cli.tui.app import SecondmeApp
from secondme.core import log
from secondme.core.clock import SystemClock, to_ms
from secondme.core.settings import Setup
from secondme.core.store import keys

NOON = datetime(2099, 3, 14, 12, 0, tzinfo=UTC)
"""When snapshots are taken. The store's own clock is far behind, so nothing expires under them."""


class StoppedClock(SystemClock):
    """It is always NOON; waiting is real."""

    def now_ms(self) -> int:
        return to_ms(NOON)


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

    def rows(self, name: str) -> list[list[str]]:
        """The cells of a page's table."""
        table = self.page(name).table
        return [[str(cell) for cell in table.get_row_at(number)] for number in range(table.row_count)]

    def names(self, name: str) -> list[str]:
        """The column `Name` of a page."""
        place = 1 if name == "pending" else 0
        return [row[place] for row in self.rows(name)]

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
        return await eventually(claim)

    async def dialog(self, kind: str) -> None:
        """A dialog of this kind is on the screen."""
        await self.until(lambda: type(self.app.screen).__name__ == kind)
        await self.pilot.pause()

    async def closed(self) -> None:
        await self.until(lambda: len(self.app.screen_stack) == 1)

    def input(self) -> Input:
        return self.app.screen.query_one(Input)


def words(widget: Static) -> str:
    content = widget.content
    return content.plain if isinstance(content, Text) else str(content)


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
