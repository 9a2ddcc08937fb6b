"""The reference of `--json`: every command is run on a home full of people, and what it printed is described, key by key."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fakes.screen import stand_at_noon, talk_at_noon, write_security_log
from PIL import Image
from redis import Redis
from typer.testing import CliRunner

from secondme.cli.app import app
from secondme.core.clock import SystemClock
from secondme.core.config.loader import Setup
from secondme.core.store import keys
from secondme.core.webhooks.signature import new_secret
from secondme.skills.catalog import TEMPLATE
from secondme.skills.loader import digest_of

HEAD = """# JSON

What `--json` prints, from the program itself: every command was run on a home with people in it, and these are the keys of `data` in the
[envelope](../scripts.md). `[]` is each entry of a list, `*` each key of a map. A key is only ever added; one that goes or changes its type
makes the number behind the schema's name grow.
"""
MAMA, BOSS, LUCIA, ANNA = "49301234567@c.us", "telegram:1234", "34600111222@c.us", "4915112345678@c.us"
MAPS = {"waiting", "routing", "kinds", "skipped", "refused", "events", "by", "outcomes", "models", "answers", "byEvent", "session"}
"""Keys whose value is a map from something counted, not an object with known keys."""
HOOK = "3f2a91c0b7de"
STORY: tuple[tuple[str, ...], ...] = (
    ("pairing list",),
    ("status",),
    ("channels list",),
    ("pairing approve", "041734", "--tier", "trusted"),
    ("pairing deny", "telegram:99887766", "--reason", "no"),
    ("pairing tier", BOSS, "standard"),
    ("pairing notes", BOSS, "plays chess"),
    ("pairing unblock", "local:spam"),
    ("pairing invite", "--name", "Mum"),
    ("pairing invites",),
    ("pairing cancel-invite", "271828"),
    ("contacts list",),
    ("contacts birthday", MAMA, "4.5.1986"),
    ("contacts promises",),
    ("contacts show", MAMA),
    ("contacts mode", MAMA, "draft"),
    ("contacts speech", MAMA, "never"),
    ("contacts relate", MAMA, "family"),
    ("contacts link", MAMA, LUCIA),
    ("contacts unlink", LUCIA),
    ("drafts list",),
    ("drafts show", "d2"),
    ("drafts edit", "d2", "--text", "Tomorrow."),
    ("resume", BOSS),
    ("drafts drop", "d1"),
    ("drafts send", "d2"),
    ("write", MAMA, "I am on my way."),
    ("jobs add", "hello", "--on-call", "--write", "Ask how she is.", "--to", MAMA),
    ("jobs add", "tea", "--cron", "0 16 * * 1-5", "--say", "Tea!"),
    ("jobs ready",),
    ("jobs ready", "digest", "--yes"),
    ("remind", "in 2h", "call", "the", "dentist"),
    ("jobs run", "tea"),
    ("jobs edit", "tea", "--text", "Coffee!"),
    ("jobs pause", "tea"),
    ("jobs resume", "tea"),
    ("jobs list",),
    ("jobs show", "tea"),
    ("jobs runs", "tea"),
    ("jobs preview", "digest"),
    ("jobs allow", MAMA, "greet", "--yes"),
    ("jobs allowed",),
    ("jobs disallow", MAMA, "greet"),
    ("hooks add", "github", "--job", "tea"),
    ("hooks list",),
    ("hooks test", "github"),
    ("hooks rotate", "github"),
    ("hooks remove", "github"),
    ("jobs remove", "hello"),
    ("jobs off",),
    ("jobs on",),
    ("dead list",),
    ("dead retry", BOSS),
    ("dead drop", "--all"),
    ("persona new", "work", "--tone", "brief"),
    ("persona list",),
    ("persona show", "work"),
    ("persona use", "work", "--contact", BOSS),
    ("persona edit", "work"),
    ("persona test", "hello"),
    ("skills new", "parcel"),
    ("skills check", "parcel"),
    ("skills approve", "parcel", "--yes", "--digest", "{parcel}"),
    ("skills add", "{skill}", "--yes", "--digest", "{digest}"),
    ("skills enable", "clock"),
    ("skills disable", "parcel"),
    ("skills list",),
    ("skills show", "parcel"),
    ("skills config", "parcel"),
    ("skills test", "clock", "there", "--input", '{{"place": "Tokyo"}}'),
    ("skills log",),
    ("skills remove", "parcel", "--yes"),
    ("proposals list",),
    ("proposals show", "aaaa"),
    ("proposals approve", "aaaa"),
    ("proposals drop", "bbbb"),
    ("skills sandbox",),
    ("style show",),
    ("import whatsapp", "{chat}", "--me", "Sam"),
    ("import telegram", "{export}", "--me", "Sam"),
    ("memory status",),
    ("memory index", MAMA),
    ("memory search", MAMA, "hola"),
    ("memory show", MAMA),
    ("memory facts", MAMA),
    ("memory eval", MAMA, "{questions}"),
    ("agent", "--message", "hello"),
    ("see", "{home}/photo.png", "--no-ask"),
    ("speak", "Hello there!", "--output", "{home}/hello.ogg"),
    ("trace", "--contact", MAMA),
    ("usage",),
    ("security report",),
    ("pause", BOSS, "--for", "60m"),
    ("kill",),
    ("kill --off",),
    ("channels pause", "telegram"),
    ("channels resume", "telegram"),
    ("channels disconnect", "whatsapp_cloud"),
    ("config show",),
    ("config set", "pacing.scale", "2"),
    ("config unset", "pacing.scale"),
    ("config path",),
    ("config get", "pacing.scale"),
    ("config edit",),
    ("config restore",),
    ("migrate pairing",),
    ("migrate predecessor",),
    ("api token",),
    ("api token --name zapier --scope read",),
    ("api tokens",),
    ("api revoke", "zapier"),
    ("webhooks add", "http://127.0.0.1:65535/", "--events", "draft.held", "--local"),
    ("webhooks list",),
    ("webhooks test", HOOK),
    ("webhooks rotate", HOOK),
    ("webhooks dead", HOOK),
    ("webhooks replay", HOOK),
    ("webhooks enable", HOOK),
    ("webhooks remove", HOOK),
    ("doctor", "config", "disk"),
    ("doctor --list",),
    ("backup", "{home}/backup.tar.gz"),
    ("restore --dry-run", "{home}/backup.tar.gz"),
    ("onboard", "--non-interactive", "--persona-name", "Sam", "--dry-run"),
    ("memory forget", MAMA, "--yes"),
    ("pairing revoke", LUCIA, "--yes"),
    ("contacts forget", MAMA, "--yes"),
)
"""Every command once, in an order in which it has something to say."""
_NOTHING = "null"
_OF_A_SERVER = "prints `name` and `tools`, each with `tool`, `name`, `state`, `access`, `audience`, `description` and `problem`."
ELSEWHERE = {
    "api openapi": "prints an OpenAPI document: [HTTP API](../http-api.md).",
    "chat": "prints one JSON object a line, as things happen.",
    "pairing watch": "prints one JSON object a line, as things happen.",
    "security tail": "prints the log's own lines, one JSON object each.",
    "watch": "prints one JSON object a line, as things happen.",
    "channels connect": "prints `id`, `account` (null for one that was linked before), `gatewayRuns`, and how it stands: `state` and `code`.",
    "channels test": "prints `id`, `sent` and `state`.",
    "hear": "prints `text`, `language`, `duration` in seconds, `confidence` or null, `provider`, `model`, `clear`, `reason` (why nothing was heard) and "
    "`usd`; with `--test` `engine` and `groups[]`; with `--get-model` and `--remove-model` `name`, `path` and `bytes`.",
    "rehearse": "prints `run`, `partial`, `ended` (a code), `costUsd` and the report without anybody's words: `bursts`, `since`, `until`, `seed`, `itself` and "
    "`people` (the two measures), `variants[]` and `contrasts[]`; with `--with-texts` `answers[]`; with `--report` `page`. `--dry-run` prints `answers`, `variants[]`, "
    "`contacts[]`, `seed`, `estimateUsd` and `mostUsd`; `--runs` `runs[]`; `--blind` `run`, `done`, `pairs` and, once done, `right`, `noIdea`, `same` and `remembered`; "
    "`--teach` `taught[]`; `--forget` `deleted`; `--for-friend` `run` and `page`; `--friend-result` `run`, `pairs`, `right` and `noIdea`.",
    "logs": "prints the log's own lines, one JSON object each.",
    "serve": "prints no result.",
    "skills mcp add": _OF_A_SERVER,
    "skills mcp pin": _OF_A_SERVER,
    "skills mcp set": _OF_A_SERVER,
    "skills mcp tools": _OF_A_SERVER,
    "skills dev": "prints lines for a person, one at each save.",
    "restart": "prints `restarted[]`, each with `part`, `pid` and `by` (`itself` or `service`), and `elsewhere[]` with `part`, `pid` and `host`.",
    "reload": "prints `processes[]`, each with `part`, `pid`, `taken[]` and `waiting[]`, and `elsewhere[]` with `part`, `pid` and `host`.",
    "service install": "prints `name`, `path`, `outcome`, `diff`, `started`, `lingers`, `onlyInShell` and `hasModelKey`.",
    "service uninstall": "prints `path` and `outcome`.",
    "service start": "prints `path`, `state`, `enabled`, `pid`, `status`, `restarts` and `result`.",
    "service stop": "prints the same as `service start`.",
    "service restart": "prints the same as `service start`.",
    "service status": "prints the same as `service start`.",
    "service logs": "prints what the service said, as it is.",
    "tui": "prints no result.",
}
"""Commands that print no envelope, or whose platform is not here."""


def _invite(raw: Redis, now_ms: int) -> None:
    """An invite that nobody used."""
    until_ms = now_ms + 3_600_000
    record = {"code": "271828", "name": "Mum", "tier": "trusted", "createdAt": now_ms, "expiresAt": until_ms}
    raw.set(keys.invite("271828"), json.dumps(record))
    raw.zadd(keys.INDEX_INVITES, {"271828": until_ms})


def run_story(setup: Setup, raw: Redis, home: Path) -> dict[str, dict[str, Any]]:
    """Command -> its envelope, for every command of the story. Raises AssertionError when one of them failed."""
    stand_at_noon(raw)
    talk_at_noon(raw)
    write_security_log(setup)
    mail = {
        "messageId": "m1",
        "contactId": BOSS,
        "channelId": "telegram",
        "normalizedContactId": BOSS,
        "content": "?",
        "timestamp": 1,
    }
    raw.rpush(keys.dead(BOSS), json.dumps(mail))
    said_ms = SystemClock().now_ms()
    promise = {"id": "3fa2c1000000", "saidAt": said_ms, "text": "I'll call you on Sunday", "day": "2026-12-06", "state": "open"}
    raw.hset(keys.promise(MAMA), "p1", json.dumps(promise))
    hook = {"id": HOOK, "url": "http://127.0.0.1:65535/", "events": ["*"], "local": True, "createdAt": 1, "createdBy": "cli"}
    raw.set(keys.webhook(HOOK), json.dumps(hook))
    raw.zadd(keys.WEBHOOK_INDEX, {HOOK: 1})
    raw.hset(keys.webhook_secret(HOOK), "current", new_secret())
    times = dict.fromkeys(("triedAt", "succeededAt", "failingSince"), "1")
    raw.hset(keys.webhook_state(HOOK), mapping={"cursor": "0-1", "status": "500", **times})
    letter = {
        "message": {"id": "msg_1", "type": "draft.held", "at": 1, "contactId": "4****"},
        "tries": 10,
        "why": "500",
        "diedAt": 1,
    }
    raw.rpush(keys.webhook_dead(HOOK), json.dumps(letter))
    raw.zadd(keys.DEAD_INDEX, {BOSS: 1})
    _invite(raw, said_ms)
    for proposed in "ab":
        proposal = {
            "proposalId": proposed * 12,
            "contactId": MAMA,
            "skill": "calendar",
            "tool": "propose",
            "input": {"title": "Dinner"},
        }
        raw.hset(keys.proposals(MAMA), proposed * 12, json.dumps({**proposal, "digest": "sha256:0", "madeAt": 1_790_000_000_000}))
    raw.zadd(keys.PROPOSALS_INDEX, {MAMA: 4_000_000_000_000})
    Image.new("RGB", (8, 8)).save(home / "photo.png")
    (home / "chat.txt").write_text("[12/03/2025, 10:01:00] Sam: vale\n[12/03/2025, 10:09:00] Mama: hola\n")
    said = [
        {"id": at, "type": "message", "date": f"2025-03-12T10:0{at}:00", "from": who, "from_id": f"user{at}", "text": "hola"}
        for at, who in enumerate(("Sam", "Mama"), 1)
    ]
    (home / "export.json").write_text(json.dumps({"name": "Mama", "type": "personal_chat", "id": 5, "messages": said}))
    (home / "questions.jsonl").write_text('{"question": "who said hola?", "answer": "hola"}\n')
    places = {
        "questions": str(home / "questions.jsonl"),
        "chat": str(home / "chat.txt"),
        "export": str(home / "export.json"),
        "home": str(home),
    }
    for name in ("parcel", "greeter"):
        files = {path: text.format(name=name).encode() for path, text in TEMPLATE.items()}
        places |= {"parcel" if name == "parcel" else "digest": digest_of(files), "skill": str(home / name)}
    (home / "greeter").mkdir()
    for path, raw_file in files.items():
        (home / "greeter" / path).write_bytes(raw_file)
        (home / "greeter" / path).chmod(0o644)
    found = {}
    for name, *more in STORY:
        words = [*name.split(), *(word.format(**places) for word in more), "--json"]
        result = CliRunner().invoke(app, words)
        assert result.exit_code in {0, 1}, (words, result.output)
        found[name] = json.loads(result.stdout)
    return found


def json_page(story: dict[str, dict[str, Any]]) -> str:
    """The whole page."""
    parts = [HEAD]
    for name, envelope in story.items():
        lines = [f"## {name}", "", f"`{envelope['schema']}`", "", "| key | is |", "|---|---|"]
        kinds: dict[str, set[str]] = {}
        for key, kind in describe(envelope["data"]):
            kinds.setdefault(key, set()).add(kind)
        parts.append("\n".join([*lines, *(f"| `{key}` | {_either(kinds[key])} |" for key in sorted(kinds)), ""]))
    parts.append("## The others\n\n" + "".join(f"- `secondme {name}` {words}\n" for name, words in sorted(ELSEWHERE.items())))
    return "\n".join(parts)


def _either(kinds: set[str]) -> str:
    """`time`, or `time or nothing` where the story saw both."""
    return " or ".join([*sorted(kinds - {_NOTHING}), *([_NOTHING] if _NOTHING in kinds else [])])


def describe(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every key below `value` with what it holds."""
    match value:
        case dict() if value:
            for name, inner in value.items():
                is_map = path.rpartition(".")[2].removesuffix("[]") in MAPS or not re.fullmatch(r"[A-Za-z_]\w*", name)
                yield from describe(inner, f"{path}.{'*' if is_map else name}".lstrip("."))
        case list() if value:
            for inner in value:
                yield from describe(inner, f"{path}[]")
        case _:
            yield path, _kind(value)


def _kind(value: Any) -> str:
    kinds: list[tuple[Callable[[Any], bool], str]] = [
        (lambda v: v is None, _NOTHING),
        (lambda v: isinstance(v, bool), "`true` or `false`"),
        (lambda v: isinstance(v, int | float), "number"),
        (lambda v: isinstance(v, str) and bool(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", v)), "time"),
        (lambda v: isinstance(v, str), "text"),
        (lambda v: isinstance(v, list), "list"),
    ]
    return next((kind for is_it, kind in kinds if is_it(value)), "object")
