"""A backup or a restore that is killed at any step leaves the old home, or one that the next restore finishes."""

import subprocess
import sys
from pathlib import Path

import pytest
from fakes import homes
from fakes.process import COMMAND, environment, settings_of
from fakes.size import IS_WHOLE
from redis import Redis
from typer.testing import CliRunner

from secondme.cli.app import app
from secondme.cli.commands.serve import refuse_unfinished
from secondme.core.errors import ConfigError
from secondme.core.store import keys

pytestmark = pytest.mark.heavy  # backups and restores that are killed at each step

UNDECIDED = ["archive.member:2", "restore.deciding:1", *(["restore.unpacked:1"] if IS_WHOLE else [])]
DECIDED = [
    "restore.decided:1",
    "restore.moved_aside:2",
    "restore.finished:1",
    *(["restore.moved_in:1", "restore.moved_in:3", "restore.moved_aside:7"] if IS_WHOLE else []),
]


def done(home: Path, *words: str, **env: str) -> int:
    """Its exit code, when nothing happens meanwhile."""
    return CliRunner().invoke(app, ["--home", str(home), *words], env=env).exit_code


def run(step: str, home: Path, *words: str, **env: str) -> int:
    return subprocess.run(
        [sys.executable, str(COMMAND), step, "--home", str(home), *words],
        env=environment(**env),
        check=False,
        timeout=60,
        capture_output=True,
    ).returncode


@pytest.fixture
def archive(home: Path, tmp_path: Path) -> Path:
    homes.write_files(home)
    homes.with_store(home, lambda client: homes.fill_store(client, 20))
    assert done(home, "backup", str(tmp_path / "b")) == 0
    return tmp_path / "b"


def marked_home(path: Path) -> dict[str, bytes]:
    """Another home, every file of which differs."""
    homes.write_files(path)
    for name in homes.FILES:
        (path / name).write_text("# old\n" if name.endswith("toml") else "{}" if name.endswith("json") else "old")
    (path / "credentials.json").chmod(0o600)
    return homes.tree(path)


def test_at_each_step_the_home_is_the_old_one_or_the_next_restore_makes_it_the_new_one(archive: Path, tmp_path: Path) -> None:
    for number, step in enumerate([*UNDECIDED, *DECIDED]):
        old = tmp_path / f"h{number}"
        before = marked_home(old)
        assert run(step, old, "restore", str(archive), "--yes") == -9, step
        if step in UNDECIDED:
            kept = {name: data for name, data in homes.tree(old).items() if "restoring" not in name}
            assert kept == before, step
            assert done(old, "restore", str(archive), "--yes") == 0
        else:
            with pytest.raises(ConfigError, match="broken off"):
                refuse_unfinished(settings_of(old).places)
            assert done(old, "restore") == 0, step
        refuse_unfinished(settings_of(old).places)
        after = homes.tree(old)
        assert {name: after[name].decode() for name in homes.FILES} == homes.FILES, step
        aside = {name for name in after if "before-restore" in name}
        assert len(aside) == len(homes.FILES) + 4, (step, aside)
        assert not [name for name in after if "restoring" in name], step
        assert done(old, "restore") == 65


def test_a_backup_that_is_killed_leaves_no_file_of_that_name_and_the_next_one_cleans_up(
    home: Path, archive: Path, tmp_path: Path
) -> None:
    for step in ("snapshot.begun:1", "backup.store_saved:1", "archive.member:1", "backup.written:1"):
        assert run(step, home, "backup", str(tmp_path / "c")) == -9, step
        assert not (tmp_path / "c").exists()
    assert done(home, "backup", str(tmp_path / "c")) == 0
    assert not (home / "data" / "backing-up").exists()
    assert archive.stat().st_size > 0


def test_a_restore_into_a_shared_server_that_is_killed_is_gone_on_with(
    raw: Redis, redis_url: str, archive: Path, home: Path, tmp_path: Path
) -> None:
    raw.config_set("repl-diskless-sync-delay", 0)
    env = {"SECONDME_REDIS_URL": redis_url}
    expected = homes.with_store(home, homes.content_of)
    for number, step in enumerate(["restore.marked:1", "restore.batch:1", "restore.decided:1", "restore.finished:1"]):
        new = tmp_path / f"n{number}"
        raw.flushall()
        assert run(step, new, "restore", str(archive), "--yes", **env) == -9, step
        assert raw.exists(keys.RESTORING)
        words = ["restore"] if "decided" in step or "finished" in step else ["restore", str(archive), "--yes"]
        assert done(new, *words, **env) == 0, step
        assert homes.content_of(Redis.from_url(redis_url)) == expected, step
        assert (new / "config.toml").read_text() == homes.CONFIG
    assert raw.exists(keys.QUEUE)
