"""Channels that come as packages: found by their entry point, and harmless when they are not what they should be."""

import sys
from pathlib import Path

import pytest

from secondme.channels.registry import BUILT_IN, manifest_of, manifests, setup_of
from secondme.core.config.loader import load
from secondme.core.errors import NotFoundError
from secondme.services import channel_context, channel_factories, section_of

GOOD = """
from secondme.core.channel_plugin import Manifest
MANIFEST = Manifest(id="pigeon", title="Pigeon post", icon="p", setup="pigeon.setup")
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
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return place


def test_a_packages_channel_is_built_from_its_own_settings(site: Path, tmp_path: Path) -> None:
    install(site, "pigeon", {"pigeon": "pigeon.manifest:MANIFEST"}, manifest=GOOD, setup=SETUP)
    assert [each.id for each in manifests()] == [*(each.id for each in BUILT_IN), "pigeon"]
    bare = load({}, {}, home=tmp_path / "home")
    assert section_of("pigeon", bare) == "plugins.pigeon"
    assert section_of("telegram", bare) == "telegram"
    manifest = manifest_of("pigeon")
    assert not setup_of(manifest).is_set_up(channel_context(manifest, bare))
    setup = load({"plugins.pigeon.loft": "roof"}, {}, home=tmp_path / "home")
    factory = next(each for each in channel_factories(setup) if each.manifest.id == "pigeon")
    assert factory.build() == ("roof", setup.places.data / "channels" / "pigeon")
    for name in ("pigeon", "pigeon.manifest", "pigeon.setup"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("point", "manifest"),
    [
        ("bad.manifest:MANIFEST", "raise RuntimeError('canary')"),
        ("bad.manifest:NOTHING", GOOD),
        ("bad.nowhere:MANIFEST", GOOD),
        ("bad.manifest:MANIFEST", "MANIFEST = {'id': 'pigeon'}"),
        ("bad.manifest:MANIFEST", GOOD.replace('id="pigeon"', 'id="telegram"')),
        ("bad.manifest:MANIFEST", GOOD.replace('id="pigeon"', 'id="../../etc"')),
        ("bad.manifest:MANIFEST", GOOD.replace('id="pigeon"', 'id="local:x"')),
    ],
)
def test_a_package_that_is_no_channel_is_left_out(site: Path, point: str, manifest: str) -> None:
    install(site, "bad", {"bad": point}, manifest=manifest)
    assert manifests() == list(BUILT_IN)
    for name in ("bad", "bad.manifest"):
        sys.modules.pop(name, None)


def test_a_channel_that_does_not_exist_is_said_so() -> None:
    with pytest.raises(NotFoundError, match="whatsapp, telegram"):
        manifest_of("pigeon")
