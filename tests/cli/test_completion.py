"""Does Tab offer what fits, in a real bash, without a server of its own and without a word about what is wrong?"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.command_lines import TREE
from fakes.process import Cli, Terminal, environment
from redis import Redis

from secondme.cli.help.bash import Line
from secondme.cli.help.completion import CONTACTS
from secondme.core.store import keys

BREAKS = " \t\n\"'@><=;|&(:"
"""bash's own COMP_WORDBREAKS."""


def offered(text: str, home: Path, **env: str) -> list[str]:
    """What bash is offered at the end of this line."""
    line = {"COMP_LINE": text, "COMP_POINT": str(len(text)), "COMP_WORDBREAKS": BREAKS, "_SECONDME_COMPLETE": "complete_bash"}
    surroundings = environment(SECONDME_HOME=str(home), **line, **env)
    done = subprocess.run([sys.executable, "-m", "secondme"], capture_output=True, text=True, env=surroundings, check=True)
    assert done.stderr == ""
    return list(filter(None, done.stdout.splitlines()))


def offered_in_time(text: str, home: Path, **env: str) -> list[str]:
    """What bash is offered by a store that answers in time: a slow one is passed over, as Tab keeps nobody waiting."""
    while not (found := offered(text, home, **env)):
        pass
    return found


def rename(door: Redis, contact: str, name: str) -> None:
    """An approved contact calls itself so."""
    record = json.loads(str(door.get(keys.approved(contact))))
    door.set(keys.approved(contact), json.dumps({**record, "displayName": name}))


def test_what_needs_no_store_is_offered_without_one(home: Path, cli: Cli) -> None:
    (home / "personas").mkdir()
    (home / "personas" / "family.md").touch()
    (home / "personas" / "$(reboot).md").touch()
    (home / "skills" / "mine").mkdir(parents=True)
    assert offered("secondme p", home) == ["pairing", "persona", "proposals", "pause"]
    assert offered("secondme pairing re", home) == ["revoke"]
    assert offered("secondme channels pause t", home) == ["telegram"]
    assert offered("secondme persona edit ", home) == ["family"]
    assert offered("secondme pairing list --tier t", home) == ["trusted"]
    assert "--json" in offered("secondme status --", home)
    assert offered("secondme contacts mode anna o", home) == ["observe", "off"]
    assert offered("secondme contacts relate anna fr", home) == ["friend"]
    assert offered("secondme config set sleep.e", home) == ["sleep.enabled", "sleep.end"]
    assert offered("secondme jobs ready dig", home) == ["digest"]
    assert {"mine", "clock"} <= set(offered("secondme skills enable ", home))
    listed = json.loads(cli("doctor", "--list", "--json").stdout)["data"]["checks"]
    assert offered("secondme doctor ", home) == sorted(check["id"] for check in listed)


TAB = {
    "pairing approve ": {"local:ben", "CODE"},
    "pairing deny ": {"local:ben", "CODE", "anna", "local:anna", "rita", "local:rita"},
    "pairing unblock ": {"local:cara"},
    "pairing revoke ": {"anna", "local:anna", "rita", "local:rita"},
    "contacts show local:": {"anna", "rita", "ben", "cara"},
    "contacts link local:": {"anna", "rita", "ben"},
    "contacts unlink ": {"anna", "local:anna"},
    "pause ": {"anna", "local:anna", "rita", "local:rita"},
    "resume ": {"rita", "local:rita"},
    "dead retry ": {"anna", "local:anna"},
    "drafts send ": {"beef0123"},
    "drafts list --contact ": {"rita", "local:rita"},
    "jobs run ": {"JOB"},
    "trace --contact=local:a": {"anna"},
}
"""Line -> what is offered. Anna is linked and has a dead letter, Rita is paused and has a draft, Ben waits, Cara was denied."""


def test_each_command_offers_whom_and_what_it_can_be_about(door: Redis, cli: Cli, home: Path, redis_url: str) -> None:
    code = json.loads(str(door.get(keys.pending("local:ben"))))["code"]
    assert cli("pause", "local:rita").exit_code == 0
    assert cli("contacts", "link", "local:anna", "telegram:77").exit_code == 0
    job = json.loads(cli("jobs", "add", "x", "--on-call", "--say", "hi", "--json").stdout)["data"]["id"]
    door.rpush(keys.dead("local:anna"), "{}")
    door.zadd(keys.DEAD_INDEX, {"local:anna": 1})
    wanted = {line: {{"CODE": code, "JOB": job[:8]}.get(word, word) for word in words} for line, words in TAB.items()}
    got = {line: set(offered_in_time(f"secondme {line}", home, SECONDME_REDIS_URL=redis_url)) for line in TAB}
    for line in ("contacts show local:", "contacts link local:", "contacts unlink ", "pairing revoke ", "pairing deny ", "pause "):
        got[line] -= {"telegram:77"}  # the same person as Anna
    assert got == wanted


def test_contacts_who_choose_their_names_choose_nothing_that_a_shell_runs(door: Redis, home: Path, redis_url: str) -> None:
    rename(door, "local:rita", "$(reboot)`x`'\"")
    everybody = offered_in_time("secondme contacts mode ", home, SECONDME_REDIS_URL=redis_url)
    assert sorted(everybody) == ["anna", "local:anna", "local:rita"]


def test_tab_starts_no_server_and_is_silent_about_what_is_wrong(home: Path) -> None:
    lines = ("pause ", "pairing approve local:", "drafts send ", "jobs run ", "dead retry ", "proposals approve ", "webhooks test ")
    assert [offered(f"secondme {line}", home) for line in lines] == [[]] * len(lines)
    assert list(home.iterdir()) == []
    assert offered("secondme pause ", home / "nowhere") == []
    assert not (home / "nowhere").exists()
    (home / "config.toml").write_text("nonsense")
    assert offered("secondme contacts mode ", home, SECONDME_REDIS_URL="unix:///nowhere.sock") == []
    assert offered("secondme persona edit ", home) == []


def test_an_interrupt_ends_it_without_a_word(home: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "deaf.sock"))
        server.listen()
        text = "secondme pause "
        line = {"COMP_LINE": text, "COMP_POINT": str(len(text)), "_SECONDME_COMPLETE": "complete_bash"}
        surroundings = environment(SECONDME_HOME=str(home), SECONDME_REDIS_URL=f"unix://{tmp_path}/deaf.sock", **line)
        program = [sys.executable, "-m", "secondme"]
        process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=surroundings)
        with process, server.accept()[0]:  # it waits for a store that never answers
            process.send_signal(signal.SIGINT)
            assert process.communicate() == ("", "")
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize(
    ("text", "word", "given"),
    [
        ("secondme pairing approve local:m", "local:maria", "maria"),
        ("secondme pairing approve local:", "local:maria", "maria"),
        ("secondme pairing approve loc", "local:maria", "local:maria"),
        ("secondme pairing approve 4915@c", "4915@c.us", "c.us"),
        ("secondme trace --contact=local:m", "local:maria", "maria"),
        ("secondme trace --contact=", "local:maria", "local:maria"),
        ("secondme trace --contact local:m", "local:maria", "maria"),
        ("secondme trace --con", "--contact", "--contact"),
        ("secondme contacts mode 'Anna S", "Anna Smith", "Anna Smith"),
        ('secondme contacts mode "local:m', "local:maria", "local:maria"),
        ("secondme contacts mode Anna\\ S", "Anna Smith", "Anna\\ Smith"),
        ("secondme contacts mode Zo", "Zoë O'Neil", "Zoë\\ O\\'Neil"),
    ],
)
def test_bash_is_given_what_stands_behind_the_last_place_at_which_it_takes_words_apart(text: str, word: str, given: str) -> None:
    line = Line.read(text)
    assert line.words[0] == "secondme"
    assert word.startswith(line.incomplete.removeprefix("--contact=")) or line.incomplete == "--con"
    assert line.put_in(word, BREAKS) == given


@pytest.fixture
def bash(home: Path, tmp_path: Path, redis_url: str) -> Terminal:
    """A bash at a terminal that has sourced our script. What it finds under the program's name completes as that does, and else says what it
    was given."""
    program = tmp_path / "bin" / "secondme"
    program.parent.mkdir()
    completes = f'if [ -n "$_SECONDME_COMPLETE" ]; then exec {sys.executable} -m secondme; fi'
    program.write_text(f"#!/bin/sh\n{completes}\nprintf '<%s>' ran \"$@\"\necho\n")
    program.chmod(0o755)
    script = tmp_path / "complete.bash"
    surroundings = environment(SECONDME_HOME=str(home), _SECONDME_COMPLETE="source_bash")
    with script.open("w") as file:
        subprocess.run([sys.executable, "-m", "secondme"], stdout=file, env=surroundings, check=True)
    env = {"HOME": str(tmp_path), "SECONDME_HOME": str(home), "SECONDME_REDIS_URL": redis_url, "LC_ALL": "C.UTF-8"}
    shell = Terminal(
        ["bash", "--norc", "--noprofile", "-i"],
        size=(200, 24),
        controls=True,
        PATH=f"{program.parent}:{os.environ['PATH']}",
        **env,
    )
    shell.type(f"source {script}; PS1=; bind 'set enable-bracketed-paste off'; echo rea''dy\n")
    shell.read_until("ready")
    return shell


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("secondme pairing approve local:b", ["pairing", "approve", "local:ben"]),
        ("secondme pairing revoke local:a", ["pairing", "revoke", "local:anna"]),
        ("secondme pairing revoke --yes lo\t\tr", ["pairing", "revoke", "--yes", "local:rita"]),
        ("secondme trace --contact=local:a", ["trace", "--contact=local:anna"]),
        ("cd / && secondme trace --contact local:a", ["trace", "--contact", "local:anna"]),
        ("secondme contacts mode 'Rita S", ["contacts", "mode", "Rita Smith"]),
        ("secondme contacts mode Rita\\ S", ["contacts", "mode", "Rita Smith"]),
        ("secondme drafts send be", ["drafts", "send", "beef0123"]),
        ("secondme pairing approve local:zz", ["pairing", "approve", "local:zz"]),
    ],
)
def test_a_real_bash_puts_the_whole_word_in(bash: Terminal, door: Redis, typed: str, words: list[str]) -> None:
    rename(door, "local:rita", "Rita Smith")
    with bash:
        found: list[str] = []
        for _ in range(20):  # a slow store is passed over, as Tab keeps nobody waiting
            bash.type(f"{typed}\t\n")
            found = re.findall("<([^>]*)>", bash.read_until(r"<ran>[^\r]*")[0])[1:]
            if found == words:
                break
        assert found == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(home: Path, shell: str) -> None:
    surroundings = environment(SECONDME_HOME=str(home), _SECONDME_COMPLETE=f"source_{shell}")
    done = subprocess.run([sys.executable, "-m", "secondme"], capture_output=True, text=True, env=surroundings, check=True)
    assert "_SECONDME_COMPLETE=complete_" + shell in done.stdout


def test_whatever_takes_a_contact_offers_some() -> None:
    takers = {
        (path, param.name): getattr(param, "_custom_shell_complete", None)
        for path, each in TREE.items()
        for param in each.params
        if param.name == "contact" or "CONTACT" in str(param.metavar)
    }
    assert len(takers) > 30
    assert [place for place, complete in takers.items() if complete is None] == []
    assert len(CONTACTS) == 10
