"""At every question of the wizard the one before can be answered again; at the review, any of them."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from fakes.messages_api import MessagesApi
from fakes.wizard import BACK, CTRL_C, DOWN, ENTER, QUESTIONS, WIPE, Wizard, plain
from onboarding.test_terminal import CONFIG

pytestmark = pytest.mark.heavy  # terminals with several programs, one after the other


def test_at_every_question_the_one_before_comes_again_with_its_answer(tmp_path: Path, api: MessagesApi) -> None:
    names = list(QUESTIONS)
    with Wizard(tmp_path, api.url) as wizard:
        wizard.asks(names[0])
        wizard.type(BACK + ENTER)
        wizard.read_until("This is the first question")
        wizard.asks(names[0])
        for before, name in pairwise(names):
            wizard.give(before)
            wizard.asks(name)
            wizard.type(BACK + ENTER)
            wizard.asks(before)
            wizard.type(ENTER)  # what was answered is what Enter means, and not the default
            wizard.asks(name)
            wizard.type(BACK + ENTER)
            wizard.asks(before)
            wizard.type(BACK + ENTER)  # and further back
            wizard.asks(names[max(0, names.index(before) - 1)])
            wizard.type(ENTER)
            if before != names[0]:
                wizard.asks(before)
                wizard.type(ENTER)
        wizard.give("write")
        assert wizard.ended() == 0, plain(wizard.output)
        assert "sk-" not in plain(wizard.output)
    assert (tmp_path / "config.toml").read_text() == CONFIG.format(url=api.url)
    assert not (tmp_path / "onboarding.json").exists()


def test_going_back_asks_nobody_outside_again(tmp_path: Path, api: MessagesApi) -> None:
    with Wizard(tmp_path, api.url) as wizard:
        wizard.answer_all(until="store")
        wizard.asks("store")
        asked = len(api.requests)
        for _ in range(3):
            wizard.type(BACK + ENTER)
            wizard.asks("model")
            wizard.type(ENTER)
            wizard.asks("store")
        wizard.type(CTRL_C)
        assert wizard.ended() == 130
    assert (asked > 0, len(api.requests)) == (True, asked)


def test_the_key_is_a_letter_like_any_other_inside_a_text(tmp_path: Path, api: MessagesApi) -> None:
    with Wizard(tmp_path, api.url) as wizard:
        wizard.answer_all(until="about")
        wizard.answer("about", "a <3 at the end")
        wizard.asks("import")
        wizard.type(CTRL_C)
        assert wizard.ended() == 130
    assert json.loads((tmp_path / "onboarding.json").read_text())["about"] == "a <3 at the end"


def test_at_the_review_any_answer_can_be_another_and_the_others_stay(tmp_path: Path, api: MessagesApi) -> None:
    with Wizard(tmp_path, api.url) as wizard:
        wizard.answer_all(until="write")
        for question, typed in (("persona_name", "Alex"), ("sleep", "22:15-06:45")):
            wizard.asks("write")
            wizard.type(DOWN + ENTER)
            wizard.read_until("What\\?")
            asked = [name for name in QUESTIONS if name not in {"way", "write"}]
            wizard.type(DOWN * asked.index(question) + ENTER)
            wizard.answer(question, WIPE + typed)
        wizard.asks("write")
        wizard.type(DOWN + ENTER)
        wizard.read_until("What\\?")
        wizard.type(ENTER)
        wizard.asks("provider")
        wizard.type(BACK + ENTER)  # it may stay as it is after all
        wizard.answer("write")
        assert wizard.ended() == 0, plain(wizard.output)
    text = CONFIG.format(url=api.url).replace('"Sam"', '"Alex"')
    assert (tmp_path / "config.toml").read_text() == text.replace(
        "enabled = false", 'enabled = true\nstart = "22:15"\nend = "06:45"'
    )
    assert 'name: "Alex"' in (tmp_path / "personas" / "default.md").read_text()


def test_another_server_is_not_given_the_key_of_the_one_before(tmp_path: Path, api: MessagesApi) -> None:
    with Wizard(tmp_path, api.url) as wizard:
        wizard.answer_all(until="write")
        wizard.asks("write")
        wizard.type(DOWN + ENTER)
        wizard.read_until("What\\?")
        wizard.type(DOWN + ENTER)
        wizard.answer("base_url", WIPE + api.url.replace("127.0.0.1", "localhost"))
        wizard.asks("api_key")
        wizard.type(CTRL_C)
        assert wizard.ended() == 130
    assert not [each for each in api.requests if each.headers.get("host", "").startswith("localhost")]
