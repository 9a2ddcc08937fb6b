"""Every decision has one source, and a wrong one is said in one line without its secret."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from secondme.core.config.loader import known_names, load, value_of
from secondme.core.errors import ConfigError

SECRET = "sk-ant-canary-0123456789"


def _home(tmp_path: Path, text: str | bytes = "") -> Path:
    home = tmp_path / "there"
    home.mkdir(exist_ok=True)
    if text:
        (home / "config.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    return home


def test_flags_win_over_the_environment_over_the_file_over_the_default(tmp_path: Path) -> None:
    home = _home(tmp_path, '[limits]\nmessages = 1\nwindow_s = 2\npause_minutes = 3\n[persona]\nname = "File"')
    environ = {"SECONDME_LIMITS__MESSAGES": "10", "SECONDME_LIMITS__WINDOW_S": "20"}
    found = load({"limits.messages": 100}, environ, home=home)
    assert found.settings.limits.model_dump() == {"messages": 100, "window_s": 20, "pause_minutes": 3.0, "fast_exchanges": 15}
    assert {name: found.sources[name] for name in ("limits.messages", "limits.window_s", "limits.pause_minutes", "log.level")} == {
        "limits.messages": "flag",
        "limits.window_s": "SECONDME_LIMITS__WINDOW_S",
        "limits.pause_minutes": str(home / "config.toml"),
        "log.level": "default",
    }


def test_every_setting_has_a_source_and_a_value(tmp_path: Path) -> None:
    found = load({}, {}, home=_home(tmp_path))
    names = list(known_names())
    assert (found.sources, {found.sources[name] for name in names}) == ({}, {"default"})
    assert value_of(found.settings, "queue.max_attempts") == found.settings.queue.max_attempts == 5
    assert value_of(found.settings, "redis_url") is None


def test_the_home_comes_from_the_flag_then_the_environment(tmp_path: Path) -> None:
    environ = {"SECONDME_HOME": str(tmp_path / "environment")}
    assert load({}, environ).places.config == tmp_path / "environment"
    assert load({}, environ, home=tmp_path / "flag").places.config == tmp_path / "flag"


def test_the_vendors_names_are_honoured_and_ours_win(tmp_path: Path) -> None:
    environ = {"ANTHROPIC_API_KEY": "theirs", "ANTHROPIC_BASE_URL": "http://theirs", "SECONDME_MODEL__API_KEY": "ours"}
    found = load({}, environ, home=_home(tmp_path, '[model]\nbase_url = "http://file"'))
    assert found.settings.model.api_key is not None
    assert found.settings.model.api_key.get_secret_value() == "ours"
    assert found.settings.model.base_url == "http://theirs"
    assert (found.sources["model.api_key"], found.sources["model.base_url"]) == ("SECONDME_MODEL__API_KEY", "ANTHROPIC_BASE_URL")


@pytest.mark.parametrize("environ", [{"ANTHROPIC_API_KEY": ""}, {"HOME": "/x"}, {"XSECONDME_LOG__LEVEL": "debug"}])
def test_other_names_in_the_environment_decide_nothing(tmp_path: Path, environ: dict[str, str]) -> None:
    assert load({}, environ, home=_home(tmp_path)).settings == load({}, {}, home=_home(tmp_path)).settings


@pytest.mark.parametrize(
    ("flags", "environ", "text", "named", "hint"),
    [
        ({}, {"SECONDME_PAIRNG__MODE": "owner"}, "", "pairng.mode (from SECONDME_PAIRNG__MODE)", "Did you mean pairing.mode?"),
        ({}, {}, "[slep]\nstart = 1", "slep.start (from ", "Did you mean sleep.start?"),
        ({}, {"SECONDME_PAIRING__MOD": "owner"}, "", "pairing.mod (from SECONDME_PAIRING__MOD)", "Did you mean pairing.mode?"),
        ({}, {}, "[limits]\nmesages = 3", "limits.mesages (from ", "Did you mean limits.messages?"),
        ({"log.lvl": "debug"}, {}, "", "log.lvl", "Did you mean log.level?"),
        ({}, {}, "zzzzzzzz = 1", "zzzzzzzz", "secondme config unset zzzzzzzz"),
        ({}, {"SECONDME_": "x"}, "", "There is no setting", "unset the variable SECONDME_."),
    ],
)
def test_an_unknown_setting_is_named_with_its_source_and_the_nearest_known_one(
    tmp_path: Path, flags: dict[str, Any], environ: dict[str, str], text: str, named: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(flags, environ, home=_home(tmp_path, text))
    assert caught.value.code == "unknown_setting"
    assert named in caught.value.message
    assert hint in caught.value.fix


@pytest.mark.parametrize(
    ("dotted", "value"),
    [
        ("pairing.mode", "open"),
        ("pairing.wrong_codes_per_contact", "6"),
        ("pairing.wrong_codes_per_hour", "51"),
        ("pairing.code_expiration_minutes", "0"),
        ("pairing.max_pending_requests", "-1"),
        ("pairing.enabled", "perhaps"),
        ("persona.name", ""),
        ("sleep.timezone", "Mars/Base"),
        ("sleep.timezone", "../../etc/passwd"),
        ("sleep.start", "25:00"),
        ("limits.messages", "ten"),
        ("model.timeout_s", "inf"),
        ("log.level", "trace"),
    ],
)
def test_a_value_out_of_range_is_refused_in_one_line_that_says_where_it_stands(tmp_path: Path, dotted: str, value: str) -> None:
    name = "SECONDME_" + dotted.upper().replace(".", "__")
    with pytest.raises(ConfigError) as caught:
        load({}, {name: value}, home=_home(tmp_path))
    assert (caught.value.code, "\n" in caught.value.message) == ("bad_setting", False)
    assert caught.value.message.startswith(f"{dotted} (from {name})")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[pairing", "malformed_config"),
        (b"\xff\xfe", "malformed_config"),
        ("a = 1\na = 2", "malformed_config"),
        ("pairing = 3", "bad_setting"),
        ("[log.level]\nx = 1", "bad_setting"),
        ("[redis_url]\nx = 1", "bad_setting"),
        ("[[pairing]]\nmode = 1", "bad_setting"),
        ("[limits]\nmessages = 1979-05-27", "bad_setting"),
    ],
)
def test_a_malformed_file_is_one_clear_error(tmp_path: Path, text: str | bytes, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, {}, home=_home(tmp_path, text))
    assert caught.value.code == code
    assert caught.value.fix
    assert "\n" not in caught.value.message.strip()


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    home = _home(tmp_path)
    (home / "config.toml").mkdir()
    with pytest.raises(ConfigError) as caught:
        load({}, {}, home=home)
    assert caught.value.code == "unreadable_config"


def test_one_value_where_a_group_stands_is_an_error(tmp_path: Path) -> None:
    for environ in ({"SECONDME_PAIRING": "x"}, {"SECONDME_PAIRING": "x", "SECONDME_PAIRING__MODE": "owner"}):
        with pytest.raises(ConfigError):
            load({}, environ, home=_home(tmp_path))


@pytest.mark.parametrize(
    "environ", [{"SECONDME_MODEL__API_KEY": SECRET}, {"ANTHROPIC_API_KEY": SECRET}, {"SECONDME_REDIS_URL": SECRET}]
)
def test_a_secret_is_shown_nowhere(tmp_path: Path, environ: dict[str, str]) -> None:
    found = load({}, environ, home=_home(tmp_path))
    for shown in (repr(found), str(found), repr(found.settings), found.settings.model_dump_json(), repr(found.sources)):
        assert SECRET not in shown


@pytest.mark.parametrize(
    "environ",
    [
        {"SECONDME_MODEL__API_KEY": SECRET, "SECONDME_LOG__LEVEL": "x"},
        {"SECONDME_MODEL__API_KEY__X": SECRET},
        {"SECONDME_MODEL": SECRET},
        {"SECONDME_MODEL__APIKEY": SECRET},
        {"SECONDME_MODEL__API_KEY": SECRET, "SECONDME_MODEL__API_KEY__X": "1"},
    ],
)
def test_no_error_repeats_a_secret(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, environ, home=_home(tmp_path))
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in f"{error}{error!r}{getattr(error, 'fix', '')}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_settings_cannot_be_changed_after_they_were_read(tmp_path: Path) -> None:
    found = load({}, {}, home=_home(tmp_path))
    with pytest.raises(ValidationError, match="frozen"):
        found.settings.pairing.enabled = False  # type: ignore[misc]  # the point


def test_reading_settings_writes_nothing(tmp_path: Path) -> None:
    load({}, {}, home=tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_every_default_is_the_documents(tmp_path: Path) -> None:
    pairing = load({}, {}, home=_home(tmp_path)).settings.pairing
    assert pairing.model_dump(mode="json") == {
        "enabled": True,
        "mode": "owner",
        "prompt": "contact",
        "code_expiration_minutes": 30,
        "denial_cooldown_hours": 24,
        "max_pending_requests": 100,
        "max_prompts_per_hour": 30,
        "prompt_max_age_minutes": 10,
        "wrong_codes_per_contact": 5,
        "wrong_codes_per_hour": 50,
        "self_verify_tier": "standard",
        "auto_approve_existing": False,
        "keep_first_line": False,
    }
