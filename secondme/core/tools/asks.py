"""Asks: what a skill wants of the gateway while it runs, answered with the permissions in hand.

A skill is sealed: it has no network, no files, no environment. It says `ask("http", url=...)` and the gateway decides, does it, and
tells. Secrets are put into requests here and never reach the skill.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

from secondme.core.enums import Tier
from secondme.core.errors import SecondmeError
from secondme.core.messages import Origin
from secondme.core.tools.manifest import is_write, permissions_of
from secondme.core.tools.permissions import AUDIENCE_OF, Audience, Leg
from secondme.core.tools.web import WebAnswer, WebClient, WebRefusal, WebRequest, basic, host_and_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from secondme.core.messages import ToolTurn
    from secondme.core.tools.permissions import Permission
    from secondme.core.tools.rights import GrantedTool
    from secondme.core.tools.store import SkillStore

    Json = dict[str, Any]  # a JSON object of a skill: looked at piece by piece
    Answerer = Callable[["AskContext", Json], Awaitable[Json]]

_KEY = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,127}", re.ASCII)
_LONGEST_HEADER = 500
_LONGEST_PLACE = 60
_LONGEST_TEXT = 1_000_000
"""Of a web answer, as JSON: the sandbox passes on 1 MB."""
_CONTINENTS = {"Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"}


@dataclass(frozen=True, slots=True)
class AskContext:
    """One call of a tool, on whose behalf is asked."""

    granted: GrantedTool
    turn: ToolTurn
    config: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def permissions(self) -> tuple[Permission, ...]:
        """What this tool may ask for."""
        return permissions_of(self.granted.manifest, self.granted.tool)

    @property
    def skill(self) -> str:
        """Who asks."""
        return self.granted.manifest.name

    def may(self, permission: str) -> bool:
        """True when this tool has this very permission."""
        return any(each.text == permission for each in self.permissions)

    @property
    def address_settings(self) -> list[str]:
        """The settings that hold an address which the owner typed: a skill brings no value for one."""
        return [name for name, field in self.granted.manifest.config.items() if field.type == "url"]

    @property
    def audience(self) -> Audience | None:
        """The narrowest one that whoever is served belongs to; None: nothing private is for them."""
        return Audience.OWNER if self.is_for_owner else AUDIENCE_OF.get(self.turn.tier or Tier.RESTRICTED)

    @property
    def is_for_owner(self) -> bool:
        """True in the owner's own turn."""
        return self.turn.origin is not Origin.CONTACT


class AskDesk:
    """Answers asks."""

    def __init__(self, store: SkillStore, web: WebClient, more: Mapping[str, Answerer] | None = None) -> None:
        """`more`: what else can be asked for, by its name."""
        self._store = store
        self._web = web
        self._answers: dict[str, Answerer] = {
            "http": self._http,
            "kv_get": self._kv_get,
            "kv_set": self._kv_set,
            "zone": _zone,
            **(more or {}),
        }

    async def answer(self, asking: AskContext, question: Json) -> Json:
        """`{"answer": ...}` or `{"error": code}`. Never raises but when cancelled."""
        operation = question.get("op")
        answerer = self._answers.get(operation) if isinstance(operation, str) else None
        if answerer is None:
            return error("no_such_ask")
        try:
            return await answerer(asking, question)
        except SecondmeError as failed:
            return error(failed.code)

    async def _http(self, asking: AskContext, question: Json) -> Json:
        granted = [each for each in asking.permissions if each.leg in {Leg.REACH, Leg.OPEN}]
        if not granted:
            return error("not_allowed")
        request = _request(question)
        if request is None:
            return error("bad_ask")
        if request.method == "PUT" and not is_write(asking.granted.manifest, asking.granted.tool):
            return error("not_allowed")
        auth = _authorization(asking, question)
        if auth is None:
            return error("no_secret")
        typed = [host_and_port(str(asking.config.get(name) or "")) for name in asking.address_settings]
        match await self._web.ask(request, granted, [each for each in typed if each], auth):
            case WebAnswer(status, headers, text, is_cut):
                kept = _fitting(text)
                cut = is_cut or len(kept) < len(text)
                return {"answer": {"status": status, "headers": dict(headers), "text": kept, "cut": cut}}
            case WebRefusal(code):
                return error(code)

    async def _kv_get(self, asking: AskContext, question: Json) -> Json:
        where = _memory(asking, question)
        if isinstance(where, str):
            return error(where)
        return {"answer": await self._store.remembered(asking.skill, str(question["key"]), where[0])}

    async def _kv_set(self, asking: AskContext, question: Json) -> Json:
        where = _memory(asking, question)
        if isinstance(where, str):
            return error(where)
        done = await self._store.remember(asking.skill, str(question["key"]), question.get("value"), where[0])
        return {"answer": True} if done == "ok" else error(done)


async def _zone(_: AskContext, question: Json) -> Json:
    """The local time at a place at a moment. Zones are public, and everybody may ask for them."""
    place, at = question.get("place"), question.get("at")
    if not isinstance(place, str) or not isinstance(at, str) or len(place) > _LONGEST_PLACE:
        return error("bad_ask")
    name = _zones().get(place.casefold().replace(" ", "_"))
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return error("bad_ask")
    if name is None or moment.tzinfo is None:
        return error("unknown_zone")
    try:
        local = moment.astimezone(ZoneInfo(name))
    except (OverflowError, ValueError):
        return error("bad_ask")
    offset = local.utcoffset() or timedelta()
    return {"answer": {"zone": name, "local": local.isoformat(timespec="minutes"), "offset_s": int(offset.total_seconds())}}


@cache
def _zones() -> dict[str, str]:
    """Every zone by its whole name and by that of its city, in small letters."""
    names = sorted(available_timezones())
    cities = {name.rpartition("/")[2].casefold(): name for name in names if name.partition("/")[0] in _CONTINENTS}
    return {**cities, **{name.casefold(): name for name in names}}


def error(code: str) -> dict[str, Any]:
    """A refusal, as a skill is told it."""
    return {"error": code}


def _memory(asking: AskContext, question: Json) -> tuple[str | None] | str:
    """Of whom is remembered: a contact, or (None) everybody; or why nothing is. The owner's own turn is a person like any other."""
    key = question.get("key")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        return "bad_key"
    if question.get("shared"):
        return (None,) if asking.may("storage:shared") else "not_allowed"
    if not asking.may("storage"):
        return "not_allowed"
    return (asking.turn.contact_id or "local:owner",)


def _request(question: Json) -> WebRequest | None:
    url, method, body = question.get("url"), question.get("method", "GET"), question.get("body", "")
    headers = question.get("headers") or {}
    if not isinstance(url, str) or not isinstance(method, str) or not isinstance(body, str) or not isinstance(headers, dict):
        return None
    for name, value in headers.items():
        if not isinstance(value, str) or not value.isprintable() or not value.isascii() or len(value) > _LONGEST_HEADER:
            return None
        if not re.fullmatch(r"[A-Za-z-]{1,40}", name):
            return None
    return WebRequest(url, method.upper(), headers, body)


def _authorization(asking: AskContext, question: Json) -> str | None:
    """The header with the secret that is named, empty when none is; None when there is no such secret. A password needs its user."""
    name, user = question.get("auth"), question.get("user", "")
    if not name:
        return ""
    secret = asking.secrets.get(name) if isinstance(name, str) else None
    if secret is None or not isinstance(user, str) or not secret.isascii() or not secret.isprintable():
        return None
    return basic(user, secret) if user else f"Bearer {secret}"


def _fitting(text: str) -> str:
    """As much of `text` as a skill can be told at once."""
    while (length := len(json.dumps(text))) > _LONGEST_TEXT:
        text = text[: len(text) * _LONGEST_TEXT // length]
    return text
