"""The doctor names the true cause, hides nothing behind it, and no fix of it leads in a circle."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest
from core.test_http import certified, server
from fakes.bot_api import TOKEN
from fakes.messages_api import MessagesApi
from fakes.process import let_in, settings_of
from fakes.proxies import proxy
from health.rig import KEY, Background, Ward, free_port
from typer.testing import CliRunner

from secondme.cli.app import app
from secondme.cli.commands.doctor import checks
from secondme.core.doctor.check import kinds

ELSEWHERE = "https://api.example"


@pytest.fixture(autouse=True)
def no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("name", [".env", "credentials.json"])
def test_an_open_file_of_secrets_hides_nothing_else(ward: Ward, name: str) -> None:
    ward.configure('[persona]\nfile = "gone.md"\n', model__api_key="sk-test-wrong")
    path = ward.home / name
    if not path.exists():
        path.write_text("{}")
        path.chmod(0o600)
    before = ward.doctor()
    path.chmod(0o644)
    seen = ward.doctor()
    assert set(seen.findings) == {*before.findings, "open-secret"} == {"persona-missing", "model-key-refused", "open-secret"}
    assert {each: seen.status(each) for each in seen.checks if each != "files"} == {
        each: before.status(each) for each in before.checks if each != "files"
    }
    ward.mend(seen.findings["open-secret"])
    assert set(ward.doctor().findings) == set(before.findings)


def test_a_proxy_that_does_not_let_a_platform_be_asked_is_named_too(
    ward: Ward, background: Background, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = background.open(server(certified(tmp_path)))
    way = background.open(proxy("http", {"bots.example:443": port}))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{way.port}")
    ward.configure(telegram__token=TOKEN, telegram__api_url="https://bots.example", telegram__owner_id="77")
    finding = ward.doctor("network", "telegram").only("certificate-untrusted")
    assert ("bots.example" in finding["what"], TOKEN in str(finding)) == (True, False)


@pytest.mark.parametrize("option", ["", "--relationship family", "--contact local:anna"])
def test_a_persona_that_was_chosen_and_is_gone(ward: Ward, option: str) -> None:
    asyncio.run(let_in(settings_of(ward.home), "anna"))
    assert ward.run("persona", "new", "work").exit_code == 0
    assert ward.run("persona", "use", "work", *shlex.split(option)).exit_code == 0
    assert "persona-gone" not in ward.doctor("personas").findings
    (ward.home / "personas" / "work.md").unlink()
    finding = ward.doctor("personas").only("persona-gone")
    assert finding["fix"] == f"secondme persona use --clear{f' {option}' if option else ''}"
    ward.mend(finding)
    assert ward.doctor("personas").findings == {}


def test_a_proxy_that_nobody_listens_at_is_named_by_its_variable(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:zqSecretzq@127.0.0.1:{free_port()}")
    ward.configure(model__base_url=ELSEWHERE)
    seen = ward.doctor("network", "model-key")
    finding = seen.only("proxy-unreachable")
    assert ("HTTPS_PROXY" in finding["what"], "connection refused" in finding["what"]) == (True, True)
    assert ("HTTPS_PROXY" in finding["fix"], "zqSecret" in str(finding)) == (True, False)
    assert (seen.status("model-key"), seen.checks["model-key"]["detail"]) == ("not_checked", "the proxy does not answer")


def test_a_proxy_that_wants_a_login_or_does_not_let_through(
    ward: Ward, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = background.open(proxy("http", {}, "me:right"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{way.port}")
    ward.configure(model__base_url=ELSEWHERE)
    finding = ward.doctor("network", "model-key").only("proxy-refuses")
    assert ("HTTPS_PROXY" in finding["what"], "api.example" in finding["what"]) == (True, True)


def test_a_certificate_that_is_not_trusted_is_named_by_its_host(
    ward: Ward, vendor: MessagesApi, background: Background, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = background.open(server(certified(tmp_path)))
    way = background.open(proxy("http", {"api.example:443": port}))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{way.port}")
    ward.configure(model__base_url=ELSEWHERE)
    finding = ward.doctor("network", "model-key").only("certificate-untrusted")
    assert "The certificate of api.example is not trusted" in finding["what"]
    assert "SSL_CERT_FILE=/path/ca.pem" in finding["fix"]
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "both.pem"))  # what the fix says
    assert "certificate-untrusted" not in ward.doctor("network", "model-key").findings
    assert vendor.keys == {KEY}


_WAIT = {"check-timed-out", "store-loading", "model-busy", "api-unavailable", "hearing-slow"}
"""Here time is the fix, or more of it: looking again is what there is to do."""


def test_no_fix_leads_back_to_the_check_that_printed_it() -> None:
    circles = [
        kind.id
        for kind in kinds().values()
        for named in [re.search(r"secondme doctor ((?:[a-z][a-z-]* ?|\{check\} ?)*)(--\S+)?", kind.fix)]
        if named is not None and named[2] is None and (not named[1] or kind.check in named[1].split() or "{check}" in named[1])
    ]
    assert set(circles) <= _WAIT


def test_every_command_that_a_fix_names_is_there() -> None:
    """A word in braces is a fact that the doctor fills in; what stands before it has to be a command."""
    named = {match[1].strip() for kind in kinds().values() for match in re.finditer(r"secondme ((?:[a-z-]+ ?)+)", kind.fix)}
    assert len(named) > 40
    lost = []
    for words in named:
        parts = words.split()
        helped = [CliRunner().invoke(app, [*parts[:count], "--help"]).exit_code for count in (2, 1)]
        if helped[0] != 0 and (len(parts) > 1 and helped[1] != 0):
            lost.append(words)
    assert lost == []


def test_every_check_that_a_fix_names_is_there() -> None:
    known = {check.id for check in checks()}
    named = {
        name
        for kind in kinds().values()
        for match in re.finditer(r"secondme doctor ([a-z -]+)", kind.fix)
        for name in match[1].split()
    }
    assert {each for each in named if not each.startswith("--")} <= known
