"""What can be wrong with the settings, the files and the machine."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes.process import environment
from health.rig import BASICS, Ward, holding, listening

from secondme.core.tokens import NamedTokens, TokenScope

MB = 1024 * 1024


def test_a_config_that_is_no_toml(ward: Ward) -> None:
    good = (ward.home / "config.toml").read_text()
    ward.run("config", "set", "persona.name", "Sam")  # keeps a backup
    (ward.home / "config.toml").write_text("[sleep\n" + good)
    ward.mend(ward.is_found("config-malformed", "config.toml is no TOML"))
    ward.is_clean()
    assert (ward.home / "config.toml").read_text().startswith(good)


def test_a_setting_that_there_is_not(ward: Ward) -> None:
    ward.configure("[limts]\nmessages = 3\n")
    finding = ward.is_found("config-unknown-key", "a key of config.toml is misspelt")
    assert "Did you mean limits.messages?" in finding["what"]
    ward.mend(finding)
    ward.is_clean()


def test_every_wrong_setting_is_named_and_not_only_the_first(ward: Ward) -> None:
    ward.configure('[limts]\nmessages = 3\n[pairing]\nmode = "everybody"\n[queue]\nslots = 0\n')
    seen = ward.doctor("config")
    found = [finding["what"].split()[0:5] for finding in seen.checks["config"]["findings"]]
    assert len(found) == 3, found
    for finding in seen.checks["config"]["findings"]:
        ward.mend(finding)
    ward.is_clean()


def test_a_value_that_cannot_be(ward: Ward) -> None:
    ward.configure('[pairing]\nmode = "zqSecretWordzq"\n')
    finding = ward.is_found("config-bad-value", "a value of config.toml cannot be")
    assert "zqSecret" not in str(finding)
    ward.mend(finding)
    ward.is_clean()


def test_a_value_of_the_environment_that_cannot_be(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDME_QUEUE__SLOTS", "many")
    finding = ward.is_found("config-bad-value", "a variable has a value it cannot have")
    assert finding["fix"] == "unset SECONDME_QUEUE__SLOTS"
    monkeypatch.delenv(finding["fix"].split()[1])
    ward.is_clean()


def test_credentials_that_cannot_be_read(ward: Ward) -> None:
    (ward.home / "credentials.json").touch(0o600)
    (ward.home / "credentials.json").write_text("{half of")
    ward.mend(ward.is_found("credentials-unreadable", "credentials.json is damaged"))
    ward.is_clean()


@pytest.mark.parametrize("name", [".env", "credentials.json"])
@pytest.mark.parametrize("by", ["chmod", "--fix"])
def test_secrets_that_others_can_read(ward: Ward, name: str, by: str) -> None:
    path = ward.home / name
    if not path.exists():
        path.write_text("{}")
    path.chmod(0o644)
    finding = ward.is_found("open-secret", f"{name} can be read by others")
    if by == "chmod":
        ward.mend(finding)
    else:
        assert f"Mended: {path}: mode 0644 is 0600 now" in ward.run("doctor", "--fix").stdout
    assert path.stat().st_mode & 0o777 == 0o600
    ward.is_clean()


def test_a_home_that_others_can_enter(ward: Ward) -> None:
    ward.home.chmod(0o755)
    finding = ward.is_found("open-directory", "the home can be entered by others")
    ward.mend(finding)
    ward.is_clean()


def test_a_config_that_others_can_read_in_a_home_that_they_can_enter(ward: Ward) -> None:
    ward.home.chmod(0o755)
    (ward.home / "config.toml").chmod(0o644)
    assert set(ward.doctor().findings) == {"open-directory", "open-file"}
    ward.run("doctor", "--fix", "files")
    ward.is_clean()


def test_a_config_that_is_open_in_a_home_that_is_not_is_no_finding(ward: Ward) -> None:
    (ward.home / "config.toml").chmod(0o644)
    ward.is_clean()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else(ward: Ward) -> None:
    (ward.home / "personas").mkdir(mode=0o700)
    os.chown(ward.home / "personas", 12345, -1)
    finding = ward.is_found("foreign-owner", "a directory belongs to another user")
    subprocess.run(finding["fix"].removeprefix("sudo "), shell=True, check=True)
    ward.is_clean()


@pytest.mark.parametrize("name", ["api.sock", "local.sock", "store.sock"])
def test_a_socket_that_a_killed_process_left(ward: Ward, name: str) -> None:
    path = ward.home / "data" / name
    listening(path)
    ward.mend(ward.is_found("stale-socket", f"{name} was left by a killed process"))
    assert not path.exists()
    ward.is_clean()


def test_a_socket_is_left_alone_while_somebody_holds_its_lock(ward: Ward) -> None:
    listening(ward.home / "data" / "store.sock")
    process = holding(ward.home / "data" / "store" / "lock", "1")
    try:
        ward.run("doctor", "--fix")
        assert (ward.home / "data" / "store.sock").exists()
    finally:
        process.kill()
        process.wait()


def test_a_file_that_was_half_written(ward: Ward) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    left, ours = ward.home / f".env.{gone.pid}.new", ward.home / f".env.{os.getpid()}.new"
    for path in (left, ours):
        path.touch(0o600)
    ward.mend(ward.is_found("leftover-file", "a write of .env was killed"))
    assert (left.exists(), ours.exists()) == (False, True)
    ward.is_clean()


def test_a_disk_that_is_nearly_full(ward: Ward) -> None:
    data = ward.home / "data"
    data.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m,mode=0700", "tmpfs", str(data)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk of our own can be mounted here")
    try:
        (data / "large").write_bytes(b"x" * 3 * MB)
        finding = ward.is_found("disk-full", "the disk of the data is full")
        assert (f"{data / 'large'} (3.1 MB)" in finding["fix"], "30 MB" in finding["what"]) == (True, True)
        subprocess.run(["mount", "-o", "remount,size=512m", str(data)], check=True)
        assert ward.doctor().only("disk-low")["severity"] == "warning"
        subprocess.run(["mount", "-o", "remount,size=2g", str(data)], check=True)
        ward.is_clean()
        subprocess.run(["mount", "-o", "remount,nr_inodes=100", str(data)], check=True)
        assert ward.doctor().only("inodes-low")["severity"] == "error"
    finally:
        subprocess.run(["umount", str(data)], check=True)


def test_logs_that_have_grown(ward: Ward) -> None:
    logs = ward.home / "logs"
    logs.mkdir(mode=0o700)
    with (logs / "out.txt").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 501 * MB)
    finding = ward.is_found("logs-large", "the log directory holds 525 MB")
    assert str(logs / "out.txt") in finding["fix"]
    (logs / "out.txt").unlink()
    ward.is_clean()


def _linked(path: Path) -> None:
    path.symlink_to("/dev/null")


@pytest.mark.parametrize(
    ("name", "plant"),
    [
        ("security.jsonl", _linked),
        ("secondme.jsonl", Path.mkdir),
        ("security.jsonl", os.mkfifo),
        ("", Path.touch),
        ("", lambda path: path.symlink_to("gone")),
    ],
    ids=["a link", "a directory", "a pipe", "a file for the directory", "a dead link for the directory"],
)
def test_something_in_the_way_of_the_log(ward: Ward, name: str, plant: Callable[[Path], object]) -> None:
    logs = ward.home / "logs"
    if name:
        logs.mkdir(mode=0o700)
    plant(logs / name)
    finding = ward.is_found("log-blocked", "something is in the way of the log")
    assert str(logs / name) in finding["what"]
    ward.mend(finding)
    assert (logs / name).with_name((logs / name).name + ".aside").exists() or not name
    ward.is_clean()
    assert not (logs / name).exists()


def test_a_log_that_may_not_be_written(ward: Ward) -> None:
    path = ward.home / "logs" / "security.jsonl"
    path.parent.mkdir(mode=0o700)
    path.touch(0o400)
    bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    if bound and not shutil.which(bound[0]):
        pytest.skip("root may write everywhere")
    words = [*bound, sys.executable, "-m", "secondme", "doctor", "logs", "--json"]
    seen = subprocess.run(words, capture_output=True, env=environment(SECONDME_HOME=str(ward.home)), check=False, timeout=30)
    (finding,) = json.loads(seen.stdout)["data"]["checks"][0]["findings"]
    assert (finding["id"], finding["fix"]) == ("log-unwritable", f"chmod u+rw {path}")
    ward.mend(finding)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == b""


def test_a_disk_of_the_log_that_takes_no_writes(ward: Ward) -> None:
    logs = ward.home / "logs"
    logs.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1g,mode=0700", "tmpfs", str(logs)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk of our own can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,ro", str(logs)], check=True)
        finding = ward.doctor("logs").only("log-unwritable")
        assert "read-only file system" in finding["what"]
        subprocess.run(["mount", "-o", "remount,rw", str(logs)], check=True)
        assert ward.doctor("logs").status("logs") == "ok"
    finally:
        subprocess.run(["umount", str(logs)], check=True)


@pytest.fixture
def _no_keyring() -> Iterator[None]:
    """This machine has no keyring that gives anything."""
    keyring = pytest.importorskip("keyring")
    from keyring.backends import fail

    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    yield
    keyring.set_keyring(before)


@pytest.mark.usefixtures("_no_keyring")
def test_a_keyring_that_gives_nothing(ward: Ward) -> None:
    ward._write("config.toml", 'secrets = "keyring"\n' + BASICS)
    ward.mend(ward.is_found("keyring-unusable", "the keyring cannot be used"))
    ward.is_clean()


def test_a_fix_names_the_home_that_was_typed(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECONDME_HOME")
    ward.configure("[limts]\nmessages = 3\n")
    result = ward.run("--home", str(ward.home), "doctor", "config")
    assert f"Fix: secondme --home {shlex.quote(str(ward.home))} config unset limts.messages" in result.stdout


def test_what_the_environment_sets_no_command_of_ours_is_said_to_mend(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-other")
    ward.secrets.pop("model__api_key")
    ward.configure()
    finding = ward.doctor("model-key").only("model-key-refused")
    assert finding["fix"] == "Change or remove ANTHROPIC_API_KEY where secondme is started from."
    assert "sk-test" not in ward.run("doctor").output


def test_tokens_of_the_api_that_may_too_much_end_or_cannot_be_read(ward: Ward) -> None:
    tokens = NamedTokens(ward.home / "data" / "api-tokens.json")
    now = datetime.now(UTC)
    tokens.make("soon", [TokenScope.READ], now, now + timedelta(days=3))
    tokens.make("later", [TokenScope.READ], now, now + timedelta(days=30))
    assert ward.doctor().status("tokens") == "not_set_up"
    ward.run("config", "set", "api.listen", "127.0.0.1:8765")
    seen = ward.doctor()
    assert list(seen.findings) == ["api-whole-token", "api-token-ends"]
    ward.mend(seen.findings["api-whole-token"])
    ward.mend(ward.is_found("api-token-ends", "a token that ends soon"))
    ward.is_clean()
    tokens.path.write_text("[1]")
    ward.mend(ward.is_found("api-tokens-unusable", "a file of tokens that is broken"))
    ward.is_clean()
