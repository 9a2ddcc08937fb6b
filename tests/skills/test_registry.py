"""The registry: how each skill stands, that one broken one hides no other, and that what changes is seen without a restart."""

import time
from pathlib import Path
from random import Random

import pytest
from fakes.clock import FakeClock
from skills.folders import CODE, lay, manifest_of, skill_files

from secondme.core.errors import BusyError, ConfigError, DataError, NotFoundError
from secondme.core.security_log import SecurityLog
from secondme.core.store.client import Store
from secondme.core.tools.permissions import Audience
from secondme.core.tools.store import SkillStore
from secondme.skills.catalog import SkillCatalog, sheet
from secondme.skills.desk import SkillDesk
from secondme.skills.lock import SkillLock, Snapshots
from secondme.skills.registry import Skill, SkillKind, SkillRegistry, SkillState


class Shelf:
    """A registry over folders of a test."""

    def __init__(self, root: Path, store: Store) -> None:
        self.root, self.own, self.built_in = root, root / "skills", root / "builtin"
        self.own.mkdir(mode=0o755)
        self.built_in.mkdir(mode=0o755)
        self.secrets: set[tuple[str, str]] = set()
        self.registry = self.anew(store)
        self.catalog = SkillCatalog(self.registry, FakeClock(), SecurityLog(), "test")
        self.store = self.registry.store
        self.desk = SkillDesk(self.registry, self.catalog, lambda _: set(), lambda *_: None, self._well)

    async def _well(self, _: Skill) -> str:
        return "ok"

    def anew(self, store: Store) -> SkillRegistry:
        """As another process sees the same home."""
        lock, snapshots = SkillLock(self.root / "skills.lock"), Snapshots(self.root / "snapshots")
        has_secret = lambda skill, name: (skill, name) in self.secrets  # noqa: E731
        return SkillRegistry(self.own, lock, snapshots, SkillStore(store), has_secret, built_in=self.built_in)

    async def get(self, name: str) -> Skill:
        """One skill as it stands."""
        return await self.registry.get(name)

    async def states(self) -> dict[str, str]:
        """How those that are there stand."""
        return {each.name: each.state.value for each in await self.registry.all() if each.folder.files}


@pytest.fixture
def shelf(tmp_path: Path, store: Store) -> Shelf:
    return Shelf(tmp_path, store)


async def test_a_new_skill_runs_nothing_until_it_is_approved(shelf: Shelf) -> None:
    lay(shelf.own / "parcel", skill_files("parcel"))
    skill = await shelf.get("parcel")
    assert (skill.state, skill.is_on, skill.tools, skill.running) == (SkillState.NEW, False, [], None)
    with pytest.raises(ConfigError) as told:
        await shelf.catalog.enable("parcel")
    assert (told.value.code, told.value.fix) == ("skill_not_approved", "secondme skills approve parcel")
    await shelf.store.set_state("parcel", on=True)  # whoever shares the store cannot approve code
    assert (await shelf.get("parcel")).is_on is False
    approved = await shelf.catalog.approve("parcel", digest=skill.folder.digest)
    assert (approved.state, approved.is_on, [each.name for each in approved.tools]) == (SkillState.ENABLED, True, ["parcel_where"])


async def test_a_changed_folder_is_changed_and_the_approved_copy_goes_on(shelf: Shelf, store: Store) -> None:
    lay(shelf.own / "parcel", skill_files("parcel"))
    await shelf.catalog.approve("parcel")
    lay(shelf.own / "parcel", {"skill.py": CODE.replace("here", "evil")})
    skill = await shelf.get("parcel")
    assert (skill.state, skill.is_on) == (SkillState.CHANGED, True)
    assert skill.running is not None
    assert skill.running.files["skill.py"] == CODE.encode()
    assert (await shelf.anew(store).get("parcel")).running is not None
    lay(shelf.own / "parcel", {"skill.py": "def broken("})
    assert (await shelf.get("parcel")).is_on
    lay(shelf.own / "parcel", {"skill.py": CODE})
    assert (await shelf.get("parcel")).state is SkillState.ENABLED


async def test_what_was_looked_at_is_what_is_approved(shelf: Shelf) -> None:
    lay(shelf.own / "parcel", skill_files("parcel"))
    digest = (await shelf.get("parcel")).folder.digest
    lay(shelf.own / "parcel", {"skill.py": CODE + "#"})
    with pytest.raises(BusyError) as told:
        await shelf.catalog.approve("parcel", digest=digest)
    assert told.value.code == "skill_changed"
    assert (await shelf.get("parcel")).state is SkillState.NEW


async def test_a_removed_folder_runs_on_from_its_copy_until_it_is_removed(shelf: Shelf) -> None:
    lay(shelf.own / "parcel", skill_files("parcel"))
    await shelf.catalog.approve("parcel")
    for path in sorted((shelf.own / "parcel").iterdir()):
        path.unlink()
    (shelf.own / "parcel").rmdir()
    skill = await shelf.get("parcel")
    assert (skill.state, skill.is_on, "gone" in skill.reason) == (SkillState.CHANGED, True, True)
    await shelf.catalog.remove("parcel")
    with pytest.raises(NotFoundError):
        await shelf.get("parcel")
    assert list((shelf.root / "snapshots").iterdir()) == []


async def test_one_broken_skill_hides_no_other(shelf: Shelf) -> None:
    lay(shelf.built_in / "clock", skill_files("clock"))
    lay(shelf.own / "good", skill_files("good"))
    lay(shelf.own / "bad", {"manifest.json": "{"})
    (shelf.own / "link").symlink_to("/etc")
    (shelf.own / "a-file").write_text("x")
    lay(shelf.own / "Wrong_Name", skill_files("x"))
    assert await shelf.states() == {"clock": "disabled", "bad": "refused", "good": "new", "Wrong_Name": "refused"}
    assert (await shelf.get("link")).state is SkillState.REFUSED


async def test_another_skill_s_name_is_refused(shelf: Shelf) -> None:
    lay(shelf.built_in / "clock", skill_files("clock"))
    lay(shelf.own / "clock", skill_files("clock"))
    skills = [each for each in await shelf.registry.all() if each.name == "clock"]
    assert [each.state for each in skills] == [SkillState.DISABLED, SkillState.REFUSED]
    lay(shelf.own / "parcel", {**skill_files("parcel"), "manifest.json": skill_files("clock")["manifest.json"]})
    with pytest.raises(DataError) as told:
        await shelf.catalog.approve("parcel")
    assert told.value.code == "bad_skill"


async def test_a_folder_with_a_built_in_skill_s_name_stands_in_no_one_s_way(shelf: Shelf) -> None:
    lay(shelf.built_in / "clock", skill_files("clock"))
    lay(shelf.own / "clock", skill_files("clock", code=CODE.replace("here", "evil")))
    lay(shelf.own / "parcel", skill_files("parcel", requires={"skills": ["clock"]}))
    await shelf.catalog.approve("parcel")
    assert (await shelf.catalog.enable("clock")).kind is SkillKind.BUILT_IN
    assert (await shelf.get("parcel")).is_on
    for act in (shelf.catalog.approve, shelf.catalog.remove):
        with pytest.raises(DataError) as told:
            await act("clock")
        assert told.value.code == "skill_built_in"


@pytest.mark.parametrize("text", ["no json", "", '{"version": 9}'])
async def test_a_broken_list_of_approvals_refuses_all_own_skills_and_no_built_in_one(shelf: Shelf, text: str) -> None:
    lay(shelf.built_in / "clock", skill_files("clock"))
    lay(shelf.own / "parcel", skill_files("parcel"))
    await shelf.catalog.approve("parcel")
    await shelf.catalog.enable("clock")
    shelf.registry.lock.path.write_text(text)
    assert await shelf.states() == {"clock": "enabled", "parcel": "refused"}
    assert not (await shelf.get("parcel")).is_on
    with pytest.raises((ConfigError, DataError)):
        await shelf.catalog.approve("parcel")
    assert shelf.registry.lock.path.read_text() == text


async def test_a_needed_skill_that_is_off_stops_the_one_that_needs_it(shelf: Shelf) -> None:
    lay(shelf.built_in / "clock", skill_files("clock"))
    lay(shelf.own / "parcel", skill_files("parcel", requires={"skills": ["clock"]}))
    skill = await shelf.catalog.approve("parcel")
    assert (skill.state, skill.is_on, skill.fix) == (SkillState.UNUSABLE, False, "secondme skills enable clock")
    await shelf.catalog.enable("clock")
    assert (await shelf.get("parcel")).is_on
    await shelf.catalog.disable("clock")
    assert not (await shelf.get("parcel")).is_on


async def test_two_that_need_each_other_are_off(shelf: Shelf) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        lay(shelf.own / name, skill_files(name, requires={"skills": [other]}))
        await shelf.catalog.approve(name)
    assert [(await shelf.get(name)).is_on for name in ("one", "two")] == [False, False]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"secondme": ">=99"}, "It needs secondme 99"),
        ({"requires": {"python": ["numpy_of_mars"]}}, "It needs the Python module numpy_of_mars, which"),
        ({"requires": {"skills": ["nobody"]}}, "It needs the skill nobody."),
    ],
)
async def test_what_is_not_there_makes_it_unusable(shelf: Shelf, more: dict[str, object], words: str) -> None:
    lay(shelf.own / "parcel", skill_files("parcel", **more))
    skill = await shelf.catalog.approve("parcel")
    assert (skill.state, skill.is_on) == (SkillState.UNUSABLE, False)
    assert words in skill.reason
    assert "pip install numpy" not in skill.fix  # a stranger's word is no advice of ours


async def test_what_must_be_chosen_is_asked_for(shelf: Shelf) -> None:
    config = {
        "key": {"type": "secret", "label": "API key", "required": True},
        "city": {"type": "string", "required": True},
        "days": {"type": "integer", "default": 3},
    }
    lay(shelf.own / "parcel", skill_files("parcel", config=config))
    skill = await shelf.catalog.approve("parcel")
    assert (skill.state, skill.reason, skill.fix) == (
        SkillState.NOT_SET_UP,
        "API key is not set.",
        "secondme skills config parcel key",
    )
    shelf.secrets.add(("parcel", "key"))
    assert (await shelf.get("parcel")).reason == "city is not set."
    await shelf.desk.configure("parcel", {"city": "Rome"})
    assert (await shelf.get("parcel")).is_on
    assert await shelf.registry.config(await shelf.get("parcel")) == {"city": "Rome", "days": 3}
    with pytest.raises(DataError):
        await shelf.desk.configure("parcel", {"city": "Oslo", "days": "many"})
    with pytest.raises(NotFoundError, match="no setting"):
        await shelf.desk.configure("parcel", {"dayz": 1})
    await shelf.desk.configure("parcel", {"city": None})
    assert (await shelf.get("parcel")).state is SkillState.NOT_SET_UP


async def test_who_may_cause_it_is_what_was_approved_and_never_more_than_its_permissions_allow(shelf: Shelf) -> None:
    lay(shelf.own / "parcel", skill_files("parcel"))
    skill = await shelf.catalog.approve("parcel", audience=Audience.OWNER)
    assert (skill.audience, skill.tools[0].grant.audience) == (Audience.OWNER, Audience.OWNER)
    lay(shelf.own / "reader", skill_files("reader", permissions=["net:any"]))
    assert (await shelf.catalog.approve("reader", audience=Audience.STANDARD)).audience is Audience.OWNER
    with pytest.raises(DataError, match="no tool of parcel that writes"):
        await shelf.catalog.approve("parcel", auto=frozenset({"where"}))


async def test_an_update_that_asks_for_more_shows_it_first(shelf: Shelf) -> None:
    lay(shelf.own / "parcel", skill_files("parcel"))
    await shelf.catalog.approve("parcel")
    lay(shelf.own / "parcel", skill_files("parcel", permissions=["storage", "calendar:read"]))
    skill = await shelf.get("parcel")
    shown = sheet(skill.folder, skill.running)
    assert [(each.permission, each.new) for each in shown.permissions] == [("calendar:read", True), ("storage", True)]
    assert shown.changes[0] == "manifest.json:"
    assert skill.tools[0].manifest.permissions == ()


async def test_an_update_of_any_length_is_shown_from_the_first_line_that_differs(shelf: Shelf) -> None:
    """To compare all of it would take hours, in which nobody saw anything."""
    random, begin = Random(7), "".join(f"line {number}\n" for number in range(5000))
    lines = [f"{number % 100}\n" for number in range(500_000)]
    long = ["".join(random.sample(lines, len(lines))) for _ in range(2)]
    lay(shelf.own / "parcel", {**skill_files("parcel"), "long.md": f"{begin}same\nold\n{long[0]}", "short.md": "a\n"})
    await shelf.catalog.approve("parcel")
    lay(shelf.own / "parcel", {"long.md": f"{begin}same\nnew\n{long[1]}", "short.md": "a\nb\n"})
    skill = await shelf.get("parcel")
    changes = sheet(skill.folder, skill.running).changes
    assert changes[0] == "long.md:"
    assert changes[1].startswith("@@ -5001,")
    assert changes[2:4] == [" same", "-old"]
    lay(shelf.own / "parcel", {"long.md": f"{begin}same\nold\n{long[0]}"})
    skill = await shelf.get("parcel")
    assert sheet(skill.folder, skill.running).changes == ["short.md:", "@@ -1 +1,2 @@", " a", "+b"]


async def test_what_changes_is_seen_at_the_next_look(shelf: Shelf) -> None:
    assert await shelf.states() == {}
    lay(shelf.own / "parcel", skill_files("parcel"))
    assert await shelf.states() == {"parcel": "new"}
    lay(shelf.own / "parcel", {"manifest.json": "{"})
    assert await shelf.states() == {"parcel": "refused"}
    for path in sorted((shelf.own / "parcel").iterdir()):
        path.unlink()
    (shelf.own / "parcel").rmdir()
    assert await shelf.states() == {}


async def test_five_hundred_skills_are_looked_at_in_a_moment(shelf: Shelf) -> None:
    for number in range(500):
        lay(shelf.own / f"skill-{number}", skill_files(f"skill-{number}"))
    assert len(await shelf.states()) == 500
    spent = time.process_time()
    await shelf.registry.all()
    assert time.process_time() - spent < 2  # some 30 ms: the bench says how many
    assert manifest_of("x")["name"] == "x"


async def test_a_name_that_is_nearly_right_is_offered(shelf: Shelf) -> None:
    lay(shelf.own / "parcel", skill_files("parcel"))
    with pytest.raises(NotFoundError, match="There is no skill parcle") as told:
        await shelf.get("parcle")
    assert told.value.fix == "Did you mean parcel?"
