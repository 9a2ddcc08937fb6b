"""What could not be proven is kept nowhere, unless the owner says so; and the owner is asked what now."""

from pathlib import Path

import pytest
from fakes.messages_api import MessagesApi
from fakes.process import settings_of
from fakes.wizard import CTRL_C, DOWN, ENTER, QUESTIONS, Wizard, plain

pytestmark = pytest.mark.heavy  # terminals with several programs, one after the other
AGAIN, ELSE, WITHOUT, ANYWAY = "\x1b[A", "", DOWN, DOWN * 2
"""How each way out is reached from the one that is marked."""


def kept(home: Path, word: str) -> list[str]:
    """The files of the home that hold the word."""
    return [path.name for path in home.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


def refused(home: Path, api: MessagesApi, choice: str) -> Wizard:
    """A wizard whose key was refused, and what was chosen then."""
    wizard = Wizard(home, api.url)
    wizard.answer_all(until="api_key")
    wizard.answer("api_key", "sk-bad")
    wizard.read_until("refused the key")
    wizard.read_until("What now\\?")
    wizard.type(choice + ENTER)
    return wizard


def test_something_else_asks_for_all_of_it_again(tmp_path: Path, api: MessagesApi) -> None:
    with refused(tmp_path, api, ELSE) as wizard:
        wizard.answer_all(since="provider", until="store")
        wizard.asks("store")
        wizard.type(CTRL_C)
        assert wizard.ended() == 130
        assert "sk-" not in plain(wizard.output)
    assert (kept(tmp_path, "sk-bad"), kept(tmp_path, "sk-good")) == ([], [".env"])


def test_trying_again_takes_the_same_answers(tmp_path: Path, api: MessagesApi) -> None:
    with refused(tmp_path, api, AGAIN) as wizard:
        wizard.read_until("refused the key")
        assert api.keys is not None
        api.keys.add("sk-bad")
        wizard.read_until("What now\\?")
        wizard.type(AGAIN + ENTER)
        wizard.asks("model")
        wizard.type(CTRL_C)
        assert wizard.ended() == 130


def test_going_on_without_leaves_a_home_without_a_model(tmp_path: Path, api: MessagesApi) -> None:
    with refused(tmp_path, api, WITHOUT) as wizard:
        wizard.read_until("onboard --only model")
        wizard.answer_all(since="store")
        assert wizard.ended() == 0, plain(wizard.output)
    assert kept(tmp_path, "sk-bad") == []
    assert "base_url" not in (tmp_path / "config.toml").read_text()


def test_only_the_owners_own_word_keeps_it(tmp_path: Path, api: MessagesApi) -> None:
    with refused(tmp_path, api, ANYWAY) as wizard:
        wizard.answer_all(since="store")
        assert wizard.ended() == 0, plain(wizard.output)
    assert kept(tmp_path, "sk-bad") == [".env"]
    assert api.url in (tmp_path / "config.toml").read_text()


def test_left_after_a_refused_key_nothing_of_it_is_there(tmp_path: Path, api: MessagesApi) -> None:
    with Wizard(tmp_path, api.url) as wizard:
        wizard.answer_all(until="api_key")
        wizard.answer("api_key", "sk-bad")
        wizard.read_until("What now\\?")
        wizard.type(CTRL_C)
        assert wizard.ended() == 130
    assert kept(tmp_path, "sk-bad") == []


def test_a_key_that_is_kept_for_later_is_kept_with_its_server(tmp_path: Path, api: MessagesApi) -> None:
    with Wizard(tmp_path, api.url) as wizard:
        wizard.answer_all(until="model")
        wizard.asks("model")
        wizard.type(CTRL_C)
        assert wizard.ended() == 130
    model = settings_of(tmp_path).settings.model
    assert (model.base_url, model.api_key.get_secret_value() if model.api_key else "") == (api.url, "sk-good")
    with Wizard(tmp_path, api.url) as wizard:
        wizard.answer_all(since="model")
        assert wizard.ended() == 0, plain(wizard.output)
    assert (tmp_path / ".env").read_text() == "SECONDME_MODEL__API_KEY='sk-good'\n"
    assert settings_of(tmp_path).settings.model.base_url == api.url


def test_an_address_of_a_store_that_does_not_answer_can_be_another_choice(tmp_path: Path, api: MessagesApi) -> None:
    with Wizard(tmp_path, api.url) as wizard:
        wizard.answer_all(until="store")
        wizard.answer("store", DOWN)
        wizard.read_until("Its address:")
        wizard.type("redis://:zqSecretzq@127.0.0.1:9" + ENTER)
        wizard.read_until("What now\\?")
        wizard.type(WITHOUT + ENTER)
        wizard.answer_all(since="store")
        assert wizard.ended() == 0, plain(wizard.output)
        assert "zqSecretzq" not in plain(wizard.output)
    assert kept(tmp_path, "zqSecretzq") == []


def test_a_file_that_is_no_export_is_not_read_later_either(tmp_path: Path, api: MessagesApi) -> None:
    (tmp_path / "notes.txt").write_text("no chat\n")
    with Wizard(tmp_path / "home", api.url) as wizard:
        wizard.answer_all(until="import")
        wizard.answer("import", str(tmp_path / "notes.txt"))
        wizard.read_until("What now\\?")
        wizard.type(WITHOUT + ENTER)
        following = list(QUESTIONS)[list(QUESTIONS).index("import") + 1]
        wizard.answer_all(since=following)
        assert wizard.ended() == 0, plain(wizard.output)


def test_who_the_owner_is_in_a_chat_is_chosen_among_those_who_write_in_it(tmp_path: Path, api: MessagesApi) -> None:
    lines = ["Anna: hi", "Samuel P.: hello", "Anna: how are you?", "Anna: well?"]
    (tmp_path / "chat.txt").write_text("".join(f"[{at + 10}.01.24, 10:00:0{at}] {line}\n" for at, line in enumerate(lines)))
    with Wizard(tmp_path / "home", api.url) as wizard:
        wizard.answer_all(until="import")
        wizard.answer("import", str(tmp_path / "chat.txt"))
        wizard.read_until("Who of them are you\\?")
        wizard.read_until("Anna \\(3 messages\\)")
        wizard.read_until("Samuel P\\. \\(1 message\\)")
        wizard.type(DOWN + ENTER)
        following = list(QUESTIONS)[list(QUESTIONS).index("import") + 1]
        wizard.answer_all(since=following)
        assert wizard.ended() == 0, plain(wizard.output)
        assert "you are Samuel P." in plain(wizard.output)
