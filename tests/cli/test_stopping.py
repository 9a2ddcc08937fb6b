"""The clone can be stopped whatever is wrong with config.toml; to let it speak again, the settings have to be right."""

from pathlib import Path

import pytest
from fakes.process import command
from redis import Redis

from secondme.core.store import keys

BROKEN = {
    "a misspelt section": "[slep]\nstart = '22:00'\n",
    "a wrong value": "[pairing]\nmode = 'anybody'\n",
    "no TOML at all": "[pairing\nmode = \n",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_kill_and_pause_work_with_settings_that_cannot_be_used(tmp_path: Path, raw: Redis, redis_url: str, broken: str) -> None:
    (tmp_path / "config.toml").write_text(f'redis_url = "{redis_url}"\n{broken}')
    (tmp_path / "config.toml").chmod(0o600)
    paused = command(tmp_path, "pause")
    assert (paused.returncode, raw.exists(keys.PAUSE_ALL), raw.exists(keys.KILLED)) == (0, 1, 0)
    killed = command(tmp_path, "kill")
    assert (killed.returncode, raw.exists(keys.KILLED)) == (0, 1)
    assert killed.stderr.startswith("secondme: ")
    assert "It is stopped all the same" in killed.stderr
    for words in (["kill", "--off"], ["resume"]):
        assert command(tmp_path, *words).returncode == 78
    assert raw.exists(keys.KILLED)


def test_a_wrong_environment_is_still_an_error(tmp_path: Path) -> None:
    refused = command(tmp_path, "kill", SECONDME_PAIRING__MODE="anybody")
    assert refused.returncode == 78
    assert "SECONDME_PAIRING__MODE" in refused.stderr
