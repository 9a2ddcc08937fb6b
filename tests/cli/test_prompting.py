"""A question at the terminal: Ctrl-C leaves it at once, and what is typed next is seen again."""

import sys
from pathlib import Path

import pytest
from fakes.process import Terminal


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("config set telegram.token", "hidden"),
        ("backup --encrypt backup.age", "Passphrase"),
        ("channels connect telegram", "Token of your"),
        ("channels connect whatsapp_cloud", "Phone number"),
    ],
)
def test_ctrl_c_leaves_a_question_at_once(tmp_path: Path, words: str, asked: str) -> None:
    command = [sys.executable, "-m", "secondme", "--home", str(tmp_path), *words.split()]
    with Terminal(command, controls=True) as owner:
        owner.read_until(f"{asked}.*: ")
        owner.rests()
        owner.type("\x03")
        assert owner.ended() == 130
        assert owner.output.endswith("Interrupted.\r\n")
        assert owner.echoes


def test_ctrl_c_at_a_confirmation_is_no(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "secondme", "--home", str(tmp_path), "pairing", "revoke", "local:anna"]
    with Terminal(command, controls=True) as owner:
        owner.read_until("Revoke local:anna")
        owner.rests()
        owner.type("\x03")
        assert owner.ended() == 1
        assert "nothing was done" in owner.output
