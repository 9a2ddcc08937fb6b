"""What `secondme watch` prints: a JSON object a line for programs, with times as RFC 3339; a line in words for a person on a terminal."""

import json
import re
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fakes.process import Terminal
from health.rig import until
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from secondme.cli.commands.watch import in_words, timed
from secondme.core.store import keys

MADRID = ZoneInfo("Europe/Madrid")
AT = 1_790_000_000_000
EVENTS = {
    '{"type":"pairing_request","contactId":"local:maria","displayName":"Maria","code":"******","timestamp":%d,"expiresAt":%d}': (
        "pairing",
        "16:13:20  pairing   request: Maria (local:maria)",
    ),
    '{"contactId":"local:maria","action":"pause","reason":"fromMe","pausedAt":%d,"timestamp":%d}': (
        "pause",
        "16:13:20  pause     pause: local:maria, reason fromMe",
    ),
    '{"contactId":"ALL","action":"kill","reason":"manual","pausedAt":%d,"timestamp":%d}': (
        "pause",
        "16:13:20  pause     kill: everybody, reason manual",
    ),
    '{"type":"reply_held","contactId":"local:maria","replyId":"r1","reason":"proactive","timestamp":%d,"x":%d}': (
        "queue",
        f"16:13:20  queue     reply held: local:maria, reason proactive, replyId r1, x {AT}",
    ),
    '{"event":"pairing_full","severity":"warn","timestamp":%d,"at":%d}': ("security", "16:13:20  security  pairing full"),
}


@pytest.mark.parametrize("text", EVENTS)
def test_an_event_in_words(text: str) -> None:
    kind, line = EVENTS[text]
    event = timed(json.loads(text % (AT, AT)))
    assert in_words({**event, "at": event["timestamp"], "channel": f"events:{kind}"}, MADRID) == line


def test_moments_are_rfc_3339_and_nothing_else_is_touched() -> None:
    event = {
        "timestamp": AT,
        "pausedAt": AT,
        "until": AT + 1,
        "expiresAt": None,
        "count": AT,
        "contactId": "local:a",
        "whatAt": True,
    }
    assert timed(event) == {
        **event,
        "timestamp": "2026-09-21T14:13:20Z",
        "pausedAt": "2026-09-21T14:13:20Z",
        "until": "2026-09-21T14:13:20Z",
    }


@given(st.dictionaries(st.sampled_from(["type", "displayName", "contactId", "reason", "job", "channel", "x"]), st.text()))
def test_what_strangers_wrote_is_one_line_that_moves_no_cursor(event: dict[str, str]) -> None:
    line = in_words({**event, "at": "2026-09-21T14:13:20Z"}, MADRID)
    assert len(line.splitlines()) == 1
    assert line.isprintable() or not any(ord(each) < 32 or 127 <= ord(each) < 160 for each in line)
    assert len(line) <= 200


@pytest.mark.parametrize(
    ("more", "told"), [((), "pairing   approved: Maria (local:maria)"), (("--json",), '"channel": "events:pairing"')]
)
@pytest.mark.parametrize("words", [("watch",), ("watch", "pairing"), ("pairing", "watch")])
def test_a_person_reads_words_and_a_program_what_it_asks_for(
    tmp_path: Path, redis_url: str, raw: Redis, words: tuple[str, ...], more: tuple[str, ...], told: str
) -> None:
    raw.set("there", "1")
    typed = [sys.executable, "-m", "secondme", "--home", str(tmp_path), *words, *more]
    event = json.dumps({"type": "pairing_approved", "contactId": "local:maria", "displayName": "Maria", "timestamp": AT})
    with Terminal(typed, SECONDME_REDIS_URL=redis_url, SECONDME_SLEEP__TIMEZONE="Europe/Madrid") as watching:
        until(lambda: raw.pubsub_numsub(keys.EVENTS_PAIRING)[0][1])
        raw.publish(keys.EVENTS_PAIRING, event)
        watching.read_until(re.escape(told))
        watching.interrupt()
        assert watching.ended() == 130
