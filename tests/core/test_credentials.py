"""What linking found out is saved for the owner alone, and what the owner says elsewhere wins over it."""

import json
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from secondme.core.config.files import read_credentials, save_credentials
from secondme.core.config.loader import is_secret, load
from secondme.core.errors import ConfigError


def test_a_link_is_saved_0600_and_becomes_settings(tmp_path: Path) -> None:
    places = load({}, {}, home=tmp_path).places
    save_credentials(places.credentials, "telegram", {"token": "1:abc", "owner_id": 7})
    setup = load({}, {}, home=tmp_path)
    assert stat.S_IMODE(places.credentials.stat().st_mode) == 0o600
    assert setup.settings.telegram.token == SecretStr("1:abc")
    assert setup.settings.telegram.owner_id == 7
    assert setup.sources["telegram.token"] == str(places.credentials)
    assert list(places.config.glob("*.new")) == []


def test_what_the_owner_says_wins_over_it(tmp_path: Path) -> None:
    places = load({}, {}, home=tmp_path).places
    save_credentials(places.credentials, "telegram", {"owner_id": 7})
    places.config_file.write_text("[telegram]\nowner_id = 8\n")
    assert load({}, {}, home=tmp_path).settings.telegram.owner_id == 8
    assert load({}, {"SECONDME_TELEGRAM__OWNER_ID": "9"}, home=tmp_path).settings.telegram.owner_id == 9


def test_channels_do_not_touch_one_another_and_forgetting_removes(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    save_credentials(path, "telegram", {"token": "a"})
    save_credentials(path, "plugins.mychat", {"key": "b"})
    save_credentials(path, "telegram", {"token": "c"})
    assert read_credentials(path) == {"telegram.token": "c", "plugins.mychat.key": "b"}
    save_credentials(path, "telegram", None)
    save_credentials(path, "telegram", None)
    assert read_credentials(path) == {"plugins.mychat.key": "b"}
    assert load({}, {}, home=tmp_path).settings.plugins == {"mychat": {"key": "b"}}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"telegram.token": {"a": 1}}', '{"telegram.token": null}', "\xff"])
def test_a_file_that_is_not_ours_is_refused_without_quoting_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "credentials.json"
    path.touch(0o600)
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError) as refused:
        load({}, {}, home=tmp_path)
    assert refused.value.code == "unreadable_credentials"
    assert content not in str(refused.value) or not content


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"telegram.token": "canary"}))
    path.chmod(0o640)
    with pytest.raises(ConfigError) as refused:
        load({}, {}, home=tmp_path)
    assert refused.value.code == "open_credentials"
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(ConfigError):
        load({}, {}, home=tmp_path)


def test_a_packages_settings_are_listed_without_their_values(cli_in: Path) -> None:
    from typer.testing import CliRunner

    from secondme.cli.app import app

    shown = CliRunner().invoke(app, ["--home", str(cli_in), "config", "show"], env={"SECONDME_PLUGINS__MYCHAT__KEY": "canary"})
    assert "canary" not in shown.output
    assert "plugins.mychat.key" in shown.output


@pytest.fixture
def cli_in(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("telegram.token", True),
        ("whatsapp_cloud.app_secret", True),
        ("model.api_key", True),
        ("redis_url", True),
        ("plugins.mychat.key", True),
        ("telegram.owner_id", False),
        ("persona.name", False),
        ("nonsense", False),
        ("telegram.nonsense", False),
    ],
)
def test_secrets_are_known_by_their_type(name: str, secret: bool) -> None:
    assert is_secret(name) is secret
