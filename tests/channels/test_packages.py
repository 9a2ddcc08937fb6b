"""Channels as packages: found by their entry points, ours like others', and harmless when they are not what they should be."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from contracts.channel import ChannelContract, Rig
from fakes.channel import FakeChannel

from secondme import channels
from secondme.core.channel_manifest import built_in, manifest_of, manifests, sentence_of
from secondme.core.channel_plugin import setup_of
from secondme.core.config.files import read_credentials, save_credentials
from secondme.core.config.loader import channel_section, is_secret, known_names, load, value_of
from secondme.core.errors import ConfigError, NotFoundError
from secondme.core.ids import ContactId, MessageId
from secondme.core.messages import InboundMessage
from secondme.services import channel_context, channel_factories

GOOD = """
from secondme.core.channel_manifest import Manifest
MANIFEST = Manifest(id="pigeon", title="Pigeon post", icon="p", setup="pigeon.setup")
"""
TYPED = GOOD.replace('setup="pigeon.setup"', 'setup="pigeon.setup", settings="pigeon.settings:PigeonSettings"')
SETTINGS = """
from pydantic import Field, SecretStr
from secondme.core.config.models import Section
class PigeonSettings(Section):
    loft: str = ""
    pigeons: int = Field(2, ge=1)
    whistle: SecretStr | None = None
"""
SETUP = """
def is_set_up(context):
    return "loft" in context.settings
def build(context):
    return (context.settings["loft"], context.directory)
def forget(context, contact_id):
    pass
"""


def install(place: Path, name: str, points: dict[str, str], **modules: str) -> None:
    """A package as pip would have left it."""
    (place / name).mkdir(parents=True)
    for module, text in {"__init__": "", **modules}.items():
        (place / name / f"{module}.py").write_text(text)
    info = place / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = "\n".join(f"{key} = {value}" for key, value in points.items())
    (info / "entry_points.txt").write_text(f"[secondme.channels]\n{lines}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield place
    for name in [each for each in sys.modules if each.partition(".")[0] in {"pigeon", "bad"}]:
        del sys.modules[name]


def test_every_channel_that_ships_is_declared_as_a_package_would_declare_it() -> None:
    folders = {path.parent.name for path in Path(channels.__path__[0]).glob("*/manifest.py")}
    assert [each.id for each in built_in()] == ["whatsapp", "telegram", "whatsapp_cloud", "local"]
    assert {each.id for each in built_in()} == folders
    assert all(code.startswith(f"{each.id}_") for each in built_in() for code in each.sentences)


def test_a_packages_channel_is_built_from_its_own_settings(site: Path, tmp_path: Path) -> None:
    install(site, "pigeon", {"pigeon": "pigeon.manifest:MANIFEST"}, manifest=GOOD, setup=SETUP)
    assert [each.id for each in manifests()] == [*(each.id for each in built_in()), "pigeon"]
    bare = load({}, {}, home=tmp_path / "home")
    assert [channel_section(name) for name in ("pigeon", "telegram")] == ["plugins.pigeon", "telegram"]
    manifest = manifest_of("pigeon")
    assert not setup_of(manifest).is_set_up(channel_context(manifest, bare))
    setup = load({"plugins.pigeon.loft": "roof"}, {}, home=tmp_path / "home")
    factory = next(each for each in channel_factories(setup) if each.manifest.id == "pigeon")
    assert factory.build() == ("roof", setup.places.data / "channels" / "pigeon")


def test_a_package_that_names_its_settings_has_a_section_like_ours(site: Path, tmp_path: Path) -> None:
    install(site, "pigeon", {"pigeon": "pigeon.manifest:MANIFEST"}, manifest=TYPED, setup=SETUP, settings=SETTINGS)
    assert channel_section("pigeon") == "pigeon"
    assert {"pigeon.loft", "pigeon.pigeons", "pigeon.whistle"} <= set(known_names())
    assert (is_secret("pigeon.whistle"), is_secret("pigeon.loft")) == (True, False)
    for wrong in ({"pigeon.pigeons": "0"}, {"pigeon.loaf": "x"}, {"plugins.pigeon.pigeons": "many"}):
        with pytest.raises(ConfigError):
            load(wrong, {}, home=tmp_path)
    assert value_of(load({}, {}, home=tmp_path).settings, "pigeon.pigeons") == 2
    (tmp_path / "config.toml").write_text("[plugins.pigeon]\nloft = 'roof'\n")  # from before it named them
    save_credentials(tmp_path / "credentials.json", "plugins.pigeon", {"whistle": "old"})
    setup = load({}, {"SECONDME_PIGEON__PIGEONS": "3"}, home=tmp_path)
    assert channel_context(manifest_of("pigeon"), setup).settings == {"loft": "roof", "pigeons": 3, "whistle": "old"}
    assert setup.sources["pigeon.loft"] == str(tmp_path / "config.toml")
    save_credentials(tmp_path / "credentials.json", "pigeon", {"whistle": "new"})
    assert read_credentials(tmp_path / "credentials.json") == {"pigeon.whistle": "new"}


def test_a_package_whose_settings_are_broken_does_not_stop_the_others(site: Path, tmp_path: Path) -> None:
    install(site, "pigeon", {"pigeon": "pigeon.manifest:MANIFEST"}, manifest=TYPED, setup=SETUP)
    setup = load({"plugins.pigeon.loft": "roof", "telegram.poll_s": "7"}, {}, home=tmp_path)
    assert channel_context(manifest_of("pigeon"), setup).settings == {"loft": "roof"}
    assert value_of(setup.settings, "telegram.poll_s") == 7


@pytest.mark.parametrize(
    ("point", "manifest"),
    [
        ("bad.manifest:MANIFEST", "raise RuntimeError('canary')"),
        ("bad.manifest:NOTHING", GOOD),
        ("bad.nowhere:MANIFEST", GOOD),
        ("bad.manifest:MANIFEST", "MANIFEST = {'id': 'pigeon'}"),
        ("bad.manifest:MANIFEST", GOOD.replace('id="pigeon"', 'id="telegram"')),
        ("bad.manifest:MANIFEST", GOOD.replace('id="pigeon"', 'id="../../etc"')),
        ("bad.manifest:MANIFEST", GOOD.replace('id="pigeon"', 'id="store"')),
        ("bad.manifest:MANIFEST", GOOD.replace('id="pigeon"', 'id="local:x"')),
    ],
)
def test_a_package_that_is_no_channel_is_left_out(site: Path, point: str, manifest: str) -> None:
    install(site, "bad", {"bad": point}, manifest=manifest)
    assert manifests() == list(built_in())


def test_a_channel_that_does_not_exist_is_said_so() -> None:
    with pytest.raises(NotFoundError, match="whatsapp, telegram"):
        manifest_of("pigeon")


def test_a_code_is_told_in_the_words_of_its_channel_or_of_all() -> None:
    assert sentence_of("telegram", "telegram_conflict") == ("Another program reads this bot's messages.", "Stop the other program.")
    assert sentence_of("telegram", "stuck") == ("It would not stop.", "secondme restart")
    assert sentence_of("whatsapp", "telegram_conflict") == sentence_of("no_such", "telegram_conflict") == ("telegram conflict", "")
    assert sentence_of("telegram", "") == ("", "")


class FakeRig:
    def __init__(self) -> None:
        self.channel = FakeChannel("local")
        self.manifest = self.channel.manifest
        self._written: dict[str, InboundMessage] = {}

    def contact_id(self, person: str) -> ContactId:
        return ContactId(f"local:{person}")

    async def write(self, person: str, text: str) -> str:
        native = f"m{len(self._written)}"
        contact = self.contact_id(person)
        self._written[native] = InboundMessage(self.channel.id, contact, contact, MessageId(native), text, datetime.now(UTC))
        self.channel.platform.put_nowait(self._written[native])
        return native

    async def repeat(self, native: str) -> None:
        self.channel.platform.put_nowait(self._written[native])

    async def shown(self, person: str) -> list[str]:
        return self.channel.texts(self.contact_id(person))

    async def heard(self, person: str) -> list[bytes]:
        return [note.data for who, note in self.channel.voices if who == self.contact_id(person)]

    async def is_confirmed(self, native: str) -> bool:
        assert native in self._written
        return self.channel.platform._unfinished_tasks == 0  # type: ignore[attr-defined]


class TestFake(ChannelContract):
    @pytest.fixture
    async def rig(self) -> Rig:
        return FakeRig()
