"""Drafts at a terminal: each beside what it answers, decided one by one or together; and the owner's own words."""

import json

import pytest
from fakes.process import Cli
from redis import Redis

from secondme.core.store import keys

RITA = "local:rita"
ASKED = "can you send it?\nYour clone would say:\n\x1b[2Jyes"


@pytest.fixture
def waiting(door: Redis) -> Redis:
    """Rita's draft answers what she wrote; another one of hers needs the owner's own words."""
    held = json.loads(str(door.lindex(keys.held(RITA), 0)))
    now_ms = int(door.time()[0]) * 1000  # type: ignore[index]  # the library knows an asynchronous answer too
    turn = {"id": "asked", "role": "user", "content": ASKED, "timestamp": now_ms, "type": "incoming"}
    door.zadd(keys.history(RITA), {json.dumps(turn): now_ms})
    door.lset(keys.held(RITA), 0, json.dumps({**held, "row": {**held["row"], "answers": ["asked"]}}))
    faulty = {**held, "row": {**held["row"], "rowId": "fau10", "replyId": "fa0123", "text": "Traceback", "fault": "error_text"}}
    door.rpush(keys.held(RITA), json.dumps(faulty))
    return door


@pytest.mark.usefixtures("waiting")
def test_a_draft_is_shown_beside_what_it_answers_and_words_of_theirs_behind_a_bar(cli: Cli) -> None:
    said = cli("drafts", "show", "beef").stdout
    assert "| can you send it?" in said
    assert [line for line in said.splitlines() if line == "Your clone would say:"] == ["Your clone would say:"]
    assert "\x1b" not in said
    assert "  | a held reply" in said.splitlines()
    assert "secondme drafts send beef0123" in said
    assert "can you send it?" in cli("drafts", "list").stdout


@pytest.mark.usefixtures("waiting")
def test_a_draft_that_may_not_leave_as_it_is_offers_no_send_and_says_why(cli: Cli) -> None:
    said, refused = cli("drafts", "show", "fa0123").stdout, cli("drafts", "send", "fa0123")
    assert "drafts send" not in said
    assert "drafts edit fa0123" in said
    why = "It can leave only in your own words: it reads like the error of a program."
    assert why in said
    assert (refused.exit_code, why in refused.stderr) == (75, True)


@pytest.mark.usefixtures("waiting")
def test_all_that_can_go_are_sent_and_the_others_are_said(cli: Cli) -> None:
    unasked = cli("drafts", "send", "--all")
    sent = cli("drafts", "send", "--all", "--yes", "--json")
    assert (unasked.exit_code, "add --yes" in unasked.stderr) == (2, True)
    data = json.loads(sent.stdout)["data"]
    assert ([row["outcome"] for row in data["drafts"]], data["left"]) == (["sent"], 1)
    dropped = json.loads(cli("drafts", "drop", "--all", "--yes", "--json").stdout)["data"]
    assert [row["id"] for row in dropped["drafts"]] == ["fa0123"]
    assert "No drafts wait for you." in cli("drafts", "drop", "--all", "--yes").stdout
    assert "That draft is gone: you dropped it" in cli("drafts", "show", "fa0123").stderr


@pytest.mark.usefixtures("waiting")
def test_one_of_several_that_fails_keeps_no_other(cli: Cli) -> None:
    result = cli("drafts", "send", "fa0123", "beef0123", "cafe")
    assert result.exit_code == 75
    assert "The draft for local:rita is on its way." in result.stdout
    assert ("own words" in result.stderr, "No draft has that id" in result.stderr) == (True, True)


def test_the_owner_writes_as_themselves_once_for_a_word(cli: Cli, door: Redis) -> None:
    first = cli("write", "local:rita", "I am\n on my way", "--once", "k")
    again = cli("write", "local:rita", "I am\n on my way", "--once", "k")
    other = cli("write", "local:rita", "no", "--once", "k")
    rows = [json.loads(str(row)) for row in door.lrange(keys.outbox(RITA), 0, -1)]  # type: ignore[union-attr]  # as above
    assert [(row["kind"], row["text"]) for row in rows] == [("own", "I am\n on my way")]
    assert "is on its way. The clone stays out of it for 60 min." in first.stdout
    assert ("nothing to do" in again.stdout, other.exit_code) == (True, 75)
    assert cli("write", "local:rita", "-", stdin="piped").exit_code == 0


def test_an_invite_is_listed_and_cancelled(cli: Cli) -> None:
    made = json.loads(cli("pairing", "invite", "--name", "Dora", "--json").stdout)["data"]
    (listed,) = json.loads(cli("pairing", "invites", "--json").stdout)["data"]["invites"]
    assert listed == made
    assert cli("pairing", "cancel-invite", made["code"]).exit_code == 0
    assert cli("pairing", "cancel-invite", made["code"]).exit_code == 65
    assert "No invite is unused." in cli("pairing", "invites").stdout
