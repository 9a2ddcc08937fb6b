"""A secret in `.env` or in the keyring is a setting like one from the environment, and nobody else can read it."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.config.files import read_env_file, read_keyring, save_env_file, save_keyring
from secondme.core.config.loader import load
from secondme.core.errors import ConfigError

KEY = "SECONDME_MODEL__API_KEY"


def test_the_environment_wins_over_env_and_env_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[persona]\nname = "file"\n[limits]\nmessages = 1\nwindow_s = 2\n')
    save_env_file(tmp_path / ".env", {"SECONDME_PERSONA__NAME": "env", "SECONDME_LIMITS__MESSAGES": "3", "ANTHROPIC_API_KEY": "k"})
    found = load({}, {"SECONDME_PERSONA__NAME": "shell"}, home=tmp_path)
    settings = found.settings
    assert (settings.persona.name, settings.limits.messages, settings.limits.window_s) == ("shell", 3, 2)
    assert settings.model.api_key is not None
    assert settings.model.api_key.get_secret_value() == "k"
    assert found.sources["model.api_key"] == found.sources["limits.messages"] == str(tmp_path / ".env")


def test_other_lines_and_comments_stay(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text('# mine\nexport OTHER="x y"\nSECONDME_MODEL__API_KEY=old\n')
    path.chmod(0o600)
    save_env_file(path, {KEY: "new", "GONE": None})
    assert path.read_text() == f"# mine\nexport OTHER=\"x y\"\n{KEY}='new'\n"
    save_env_file(path, {KEY: None})
    assert read_env_file(path) == {"OTHER": "x y"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1))
def test_whatever_the_secret_it_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, secret: str) -> None:
    path = tmp_path_factory.mktemp("e") / ".env"
    save_env_file(path, {KEY: secret})
    assert read_env_file(path) == {KEY: secret}


def test_a_secret_of_two_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one line"):
        save_env_file(tmp_path / ".env", {KEY: "a\nb"})
    assert not (tmp_path / ".env").exists()


def test_a_file_that_others_can_read_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(f"{KEY}=x\n")
    path.chmod(0o644)
    with pytest.raises(ConfigError) as failure:
        load({}, {}, home=tmp_path)
    assert (failure.value.code, failure.value.fix) == ("open_credentials", f"chmod 600 {path}")


def test_what_is_no_text_is_said_without_quoting_it(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"SECRET=\xff\xfe")
    path.chmod(0o600)
    with pytest.raises(ConfigError) as failure:
        read_env_file(path)
    assert failure.value.code == "unreadable_env_file"
    assert "SECRET" not in str(failure.value)


@pytest.fixture
def keyring_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real keyring backend that keeps its secrets in a file."""
    keyring = pytest.importorskip("keyring")
    from keyrings.alt.file import PlaintextKeyring

    backend = PlaintextKeyring()
    monkeypatch.setattr(type(backend), "file_path", str(tmp_path / "keyring.cfg"))
    before = keyring.get_keyring()
    monkeypatch.setattr("keyring.core._keyring_backend", backend)
    assert keyring.get_keyring() is not before


@pytest.mark.usefixtures("keyring_file")
def test_a_secret_in_the_keyring_counts_while_the_settings_say_so(tmp_path: Path) -> None:
    save_keyring(tmp_path, {"model.api_key": "k", "telegram.token": "t"})
    save_keyring(tmp_path, {"telegram.token": None})
    assert read_keyring(tmp_path) == {"model.api_key": "k"}
    assert load({}, {}, home=tmp_path).settings.model.api_key is None
    (tmp_path / "config.toml").write_text('secrets = "keyring"\n')
    found = load({}, {}, home=tmp_path)
    assert found.settings.model.api_key is not None
    assert found.sources["model.api_key"] == "keyring"
    assert load({}, {"SECONDME_SECRETS": "file"}, home=tmp_path).settings.model.api_key is None


@pytest.mark.usefixtures("keyring_file")
def test_each_home_has_its_own(tmp_path: Path) -> None:
    save_keyring(tmp_path / "one", {"model.api_key": "1"})
    assert read_keyring(tmp_path / "two") == {}
