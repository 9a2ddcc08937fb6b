"""What a person sees: a bar on a terminal, words they understand, and no time lost before."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.process import Cli, Terminal, environment
from migrate.world import phone, talk
from redis import Redis


def test_on_a_terminal_a_bar_says_how_far_it_is(raw: Redis, redis_url: str, home: Path) -> None:
    talk(raw, *map(phone, range(250)))
    words = [sys.executable, "-m", "secondme", "--home", str(home), "migrate", "pairing", "--execute"]
    with Terminal(words, SECONDME_REDIS_URL=redis_url) as terminal:
        assert terminal.ended() == 0
    assert "\x1b[?25l" in terminal.output  # the bar hides the cursor
    assert "\x1b[?25h" in terminal.output
    assert "Progress: 200 processed, 200 approved, 0 skipped" in terminal.output
    assert terminal.output.endswith("Migration complete: 250 processed, 250 approved, 0 skipped\r\n")
    assert raw.zcard("PAIRING:index:approved") == 250


def test_the_result_is_a_table(cli: Cli, raw: Redis) -> None:
    talk(raw, phone(1), phone(2), "status@broadcast", "x@g.us")
    raw.set(f"PAIRING:denied:{phone(2)}", "{}", ex=60)
    assert cli("migrate", "pairing", "--execute").stdout.splitlines() == [
        "what      contacts  why",
        "approved  1         standard",
        "denied    1",
        "refused   1         broadcast",
        "refused   1         group",
        "Migration complete: 4 processed, 1 approved, 3 skipped",
    ]


def test_an_empty_source_is_said_in_one_sentence(cli: Cli, raw: Redis, old: Redis, other_url: str) -> None:
    assert (raw.dbsize(), old.dbsize()) == (0, 0)
    assert cli("migrate", "pairing", "--from", other_url).stdout.startswith("Nobody has a history.\n")
    assert cli("migrate", "predecessor", "--from", other_url).stdout.startswith("There is nothing to bring over.\n")


@pytest.mark.parametrize("words", [("migrate", "--help"), ("migrate", "pairing", "--help")], ids=" ".join)
def test_help_loads_neither_the_settings_nor_the_store(words: tuple[str, ...]) -> None:
    probe = "import json, sys\nfrom secondme.cli.main import program\ntry:\n    program()\nexcept SystemExit:\n    print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", probe, *words], capture_output=True, text=True, env=environment(), check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert loaded & {"redis", "hiredis", "rich.progress", "secondme.core.config.loader", "secondme.core.store.client"} == set()


def test_the_environments_url_is_shown_nowhere(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDME_MIGRATE_FROM", "redis://:s3cret@127.0.0.1:1")
    for words in (("migrate", "pairing", "--help"), ("migrate", "predecessor", "--help"), ("migrate", "pairing")):
        result = cli(*words)
        assert "s3cret" not in result.stdout + result.stderr
