"""Does the owner add, try, mend and remove webhooks at the command line, and is a secret shown once and nowhere else?"""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from fakes.process import Cli
from redis import Redis

from secondme.core.config.loader import Setup
from secondme.core.security_log import read_entries
from secondme.core.store import keys

Json = Callable[..., dict[str, Any]]


@pytest.fixture
def as_json(cli: Cli) -> Json:
    """What a command prints with --json."""

    def run(*words: str, code: int = 0) -> dict[str, Any]:
        result = cli("webhooks", *words, "--json")
        assert result.exit_code == code, result.output
        envelope = json.loads(result.stdout)
        return dict(envelope["data"] if code in {0, 1} else envelope["errors"][0])

    return run


class Hook(BaseHTTPRequestHandler):
    """Answers 204, and 500 at /bad."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(500 if self.path == "/bad" else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def hook() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_webhook_is_added_tried_rotated_and_removed(as_json: Json, cli: Cli, hook: str, setup: Setup) -> None:
    added = as_json("add", f"{hook}/secret-path", "--events", "draft.*,kill.on", "--local", "--with-ids")
    assert (added["events"], added["local"], added["withIds"]) == (["draft.*", "kill.on"], True, True)
    assert added["secret"].startswith("whsec_")
    (listed,) = as_json("list")["webhooks"]
    assert listed == {name: value for name, value in added.items() if name != "secret"}
    assert as_json("test", added["id"]) == {"id": added["id"], "delivered": True, "status": "204"}
    rotated = as_json("rotate", added["id"])["secret"]
    assert rotated.startswith("whsec_")
    shown = cli("webhooks", "list").output
    assert "draft.*" in shown
    as_json("remove", added["id"])
    assert as_json("list") == {"webhooks": []}
    lines = list(read_entries(setup.places.logs / "security.jsonl"))
    assert [each.event for each in lines] == ["webhook_added", "webhook_rotated", "webhook_removed"]
    for secret in (added["secret"], rotated, "secret-path"):
        assert secret not in str(lines)
        assert secret == "secret-path" or secret not in shown


def test_add_prints_the_secret_and_nothing_else_on_stdout(cli: Cli, hook: str) -> None:
    result = cli("webhooks", "add", hook, "--events", "*", "--local")
    (line,) = result.stdout.splitlines()
    assert line.startswith("whsec_")
    assert "secondme webhooks test" in result.stderr


def test_what_did_not_arrive_is_told_and_is_the_answer_no(as_json: Json, hook: str) -> None:
    added = as_json("add", f"{hook}/bad", "--events", "*", "--local")
    assert as_json("test", added["id"], code=1)["status"] == "500"


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("add", "http://example.com/", "--events", "*"), 65, "webhook_address_refused"),
        (("add", "https://169.254.169.254/", "--events", "*"), 65, "webhook_address_refused"),
        (("add", "https://127.0.0.1/", "--events", "*"), 65, "webhook_address_refused"),
        (("add", "https://10.0.0.1/", "--events", "*", "--local"), 65, "webhook_address_refused"),
        (("add", "http://127.0.0.1/", "--events", "draft.written", "--local"), 65, "unknown_event"),
        (("add", "http://127.0.0.1/", "--events", ",", "--local"), 65, "unknown_event"),
        (("test", "0123456789ab"), 65, "unknown_webhook"),
        (("rotate", "0123456789ab"), 65, "unknown_webhook"),
        (("dead", "0123456789ab"), 65, "unknown_webhook"),
        (("replay", "0123456789ab"), 65, "unknown_webhook"),
        (("enable", "0123456789ab"), 65, "unknown_webhook"),
        (("remove", "0123456789ab"), 65, "unknown_webhook"),
    ],
)
def test_what_cannot_be_is_refused(as_json: Json, words: tuple[str, ...], code: int, reason: str) -> None:
    assert as_json(*words, code=code)["code"] == reason


def test_there_are_twenty_at_most(as_json: Json, raw: Redis, hook: str) -> None:
    for number in range(20):
        raw.zadd(keys.WEBHOOK_INDEX, {f"{number:012x}": 1})
    assert as_json("add", hook, "--events", "*", "--local", code=75)["code"] == "too_many_webhooks"


def test_dead_letters_are_listed_and_replayed_when_it_is_enabled(as_json: Json, cli: Cli, raw: Redis, hook: str) -> None:
    added = as_json("add", hook, "--events", "*", "--local")
    letter = {"message": {"id": "msg_1", "type": "draft.held", "at": 1}, "tries": 10, "why": "500", "diedAt": 2}
    raw.rpush(keys.webhook_dead(added["id"]), json.dumps(letter), "broken")
    raw.hset(keys.webhook_state(added["id"]), mapping={"disabledAt": "1", "disabledWhy": "failing"})
    assert [(each["messageId"], each["tries"]) for each in as_json("dead", added["id"])["letters"]] == [("msg_1", 10)]
    assert "disabled: failing" in cli("webhooks", "list").output
    assert as_json("replay", added["id"], code=75)["code"] == "webhook_disabled"
    as_json("enable", added["id"])
    assert as_json("replay", added["id"])["replayed"] == 1
    assert as_json("dead", added["id"])["letters"] == []
    assert as_json("list")["webhooks"][0]["waiting"] == 1
