"""A change of the configuration is what was asked for and nothing else, whole or not at all, and can be taken back."""

import stat
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.config.files import backups, plan, read_env_file, read_keyring, save_env_file, save_keyring, set_aside, write
from secondme.core.config.loader import load
from secondme.core.errors import BusyError, ConfigError

NOW = 1_800_000_000_000
TEXT = '# mine\n[sleep]\nstart = "22:00"  # early\n\n[pacing]\nscale = 2.0\n'


def _file(tmp_path: Path, text: str = TEXT) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def test_comments_and_order_stay_and_only_what_was_asked_changes(tmp_path: Path) -> None:
    path = _file(tmp_path)
    edit = plan(path, {"sleep.start": "23:00", "persona.name": "Sam", "limits.messages": 7, "api.enabled": False})
    assert write(edit, NOW) is not None
    assert path.read_text() == (
        '# mine\n[sleep]\nstart = "23:00"  # early\n\n[pacing]\nscale = 2.0\n\n'
        '[persona]\nname = "Sam"\n\n[limits]\nmessages = 7\n\n[api]\nenabled = false\n'
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_remark_above_the_next_table_stays_there(tmp_path: Path) -> None:
    path = _file(tmp_path, "[sleep]\nenabled = false\n\n# about logs\n[log]\nlevel = 'debug'\n")
    write(plan(path, {"sleep.start": "22:00"}), NOW)
    assert path.read_text() == "[sleep]\nenabled = false\nstart = \"22:00\"\n\n# about logs\n[log]\nlevel = 'debug'\n"


def test_the_difference_is_what_a_person_would_call_it(tmp_path: Path) -> None:
    edit = plan(_file(tmp_path), {"pacing.scale": 1.5})
    assert edit.diff == ["@@ -5,2 +5,2 @@", " [pacing]", "-scale = 2.0", "+scale = 1.5"]


def test_a_setting_that_is_removed_takes_its_empty_table_along(tmp_path: Path) -> None:
    path = _file(tmp_path)
    write(plan(path, {"pacing.scale": None, "sleep.end": None, "nothing.there": None}), NOW)
    assert path.read_text() == '# mine\n[sleep]\nstart = "22:00"  # early\n\n'


def test_what_it_was_and_what_it_became_are_kept_newest_first_and_no_more_than_twenty(tmp_path: Path) -> None:
    path = _file(tmp_path)
    for at in range(30):
        write(plan(path, {"limits.messages": at + 1}), NOW + at * 1000)
    kept = backups(path)
    assert len(kept) == 20
    assert [f"messages = {30 - at}" in each.read_text() for at, each in enumerate(kept)] == [True] * 20
    assert {stat.S_IMODE(each.stat().st_mode) for each in kept} == {0o600}


def test_the_first_change_keeps_the_file_of_a_persons_own_hand(tmp_path: Path) -> None:
    path = _file(tmp_path)
    kept = write(plan(path, {"pacing.scale": 1.0}), NOW)
    assert kept is not None
    assert kept.read_text() == TEXT


@pytest.mark.parametrize("text", [TEXT, TEXT.rstrip()])
def test_nothing_is_written_when_nothing_changes(tmp_path: Path, text: str) -> None:
    path = _file(tmp_path, text)
    assert write(plan(path, {"sleep.start": "22:00"}), NOW) is None
    assert sorted(each.name for each in tmp_path.iterdir()) == ["config.toml"]


def test_a_change_that_somebody_else_made_meanwhile_is_not_lost(tmp_path: Path) -> None:
    path = _file(tmp_path)
    edit = plan(path, {"pacing.scale": 1.0})
    path.write_text(TEXT + "[log]\nlevel = 'debug'\n")
    with pytest.raises(BusyError, match="changed meanwhile"):
        write(edit, NOW)
    assert "debug" in path.read_text()


@pytest.mark.parametrize("text", ["brok[en", "\xff", 'a = "'])
def test_a_file_that_is_no_toml_is_left_exactly_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError) as failure:
        plan(path, {"pacing.scale": 1.0})
    assert (failure.value.code, failure.value.fix) == ("malformed_config", "secondme config restore")
    assert path.read_bytes() == text.encode("latin-1")


def test_a_value_has_no_parts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no parts"):
        plan(_file(tmp_path, "sleep = 1\n"), {"sleep.start": "22:00"})


def test_a_broken_file_is_set_aside_whole(tmp_path: Path) -> None:
    path = _file(tmp_path, "brok[en")
    aside = set_aside(path, NOW)
    assert (path.exists(), aside.read_text(), aside.name) == (False, "brok[en", "config.toml.broken-20270115T080000Z")


def test_two_broken_files_within_one_second_are_both_kept(tmp_path: Path) -> None:
    asides = [set_aside(_file(tmp_path, text), NOW) for text in ("brok[en", "also brok[en", "again")]
    assert [each.read_text() for each in asides] == ["brok[en", "also brok[en", "again"]


@pytest.mark.parametrize("later_ms", [0, 3000, -60_000])
def test_many_changes_within_one_second_are_in_order_and_the_next_one_is_the_newest(tmp_path: Path, later_ms: int) -> None:
    path = _file(tmp_path)
    for at in range(30):
        write(plan(path, {"limits.messages": at + 1}), NOW)
    write(plan(path, {"limits.messages": 31}), NOW + later_ms)
    assert [f"messages = {31 - at}" in each.read_text() for at, each in enumerate(backups(path))] == [True] * 20


def test_dotted_keys_and_tables_in_several_pieces_are_changed_and_removed(tmp_path: Path) -> None:
    path = _file(tmp_path, 'sleep.start = "23:00"\nsleep.end = "07:00"\npacing.scale = 2\n')
    write(plan(path, {"sleep.start": "22:00", "sleep.enabled": True}), NOW)
    found = tomllib.loads(path.read_text())
    assert found == {"sleep": {"start": "22:00", "end": "07:00", "enabled": True}, "pacing": {"scale": 2}}
    write(plan(path, {"sleep.start": None, "pacing.scale": None}), NOW + 1000)
    assert tomllib.loads(path.read_text())["sleep"] == {"end": "07:00", "enabled": True}


def test_a_link_to_where_somebody_keeps_their_settings_stays_one(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    target = _file(tmp_path / "dotfiles")
    link = tmp_path / "config.toml"
    link.symlink_to(target)
    write(plan(link, {"pacing.scale": 1.0}), NOW)
    assert (link.is_symlink(), "scale = 1.0" in target.read_text()) == (True, True)


def test_of_changes_at_the_same_time_none_is_lost_without_a_word(tmp_path: Path) -> None:
    path = _file(tmp_path, "")

    def change(at: int) -> bool:
        try:
            write(plan(path, {f"s{at}.value": at}), NOW + at * 1000)
        except BusyError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = [at for at, made in enumerate(pool.map(change, range(40))) if made]
    assert sorted(tomllib.loads(path.read_text())) == sorted(f"s{at}" for at in done)


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
