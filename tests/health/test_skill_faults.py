"""What can be wrong with skills: each fault is made on a real home, found alone, and gone when it is mended."""

import json
import time
from pathlib import Path

import pytest
from health.rig import Ward
from redis import Redis
from skills.folders import lay, skill_files

from secondme.core.store import keys
from secondme.skills.loader import digest_of


def approve(ward: Ward, name: str = "parcel", **more: object) -> Path:
    """A skill of the owner's, approved and on."""
    files = skill_files(name, **more)
    root = lay(ward.home / "skills" / name, files)
    (ward.home / "skills").chmod(0o755)
    digest = digest_of({path: text.encode() for path, text in files.items()})
    result = ward.run("skills", "approve", name, "--yes", "--digest", digest)
    assert result.exit_code == 0, result.output
    return root


def test_without_skills_nothing_is_looked_for(elsewhere: Ward) -> None:
    assert elsewhere.doctor("skills").checks["skills"]["status"] == "not_set_up"


def test_what_is_on_and_well_says_what_confines_it(elsewhere: Ward) -> None:
    approve(elsewhere)
    check = elsewhere.doctor("skills").checks["skills"]
    assert (check["status"], check["detail"].startswith("1 skill on, sealed")) == ("ok", True), check


@pytest.mark.parametrize("text", ["{", "", "[]"])
def test_a_list_of_approvals_that_cannot_be_read(elsewhere: Ward, text: str) -> None:
    approve(elsewhere)
    path = elsewhere.home / "skills.lock"
    right = path.read_text()
    path.write_text(text)
    finding = elsewhere.doctor("skills").only("skills-lock-broken")
    assert str(path) in finding["fix"]
    assert path.read_text() == text
    path.write_text(right)
    assert elsewhere.doctor("skills").findings == {}


def test_a_changed_skill(elsewhere: Ward) -> None:
    root = approve(elsewhere)
    lay(root, {"more.md": "x"})
    finding = elsewhere.doctor("skills").only("skill-changed")
    assert finding["fix"].endswith("secondme skills show parcel")
    (root / "more.md").unlink()
    assert elsewhere.doctor("skills").findings == {}


def test_a_broken_skill(elsewhere: Ward) -> None:
    root = lay(elsewhere.home / "skills" / "parcel", {**skill_files("parcel"), "manifest.json": "{"})
    (elsewhere.home / "skills").chmod(0o755)
    finding = elsewhere.doctor("skills").only("skill-refused")
    assert "manifest.json:1" in finding["what"]
    lay(root, skill_files("parcel"))
    assert elsewhere.doctor("skills").findings == {}


def test_a_skill_that_lacks_a_setting_a_key_or_another_skill(elsewhere: Ward) -> None:
    approve(elsewhere, config={"city": {"type": "string", "required": True, "label": "City"}}, requires={"skills": ["clock"]})
    finding = elsewhere.doctor("skills").only("skill-not-set-up")
    assert "City is not set." in finding["what"]
    assert elsewhere.run("skills", "config", "parcel", "city", "Rome").exit_code == 0
    finding = elsewhere.doctor("skills").only("skill-unusable")
    elsewhere.mend(finding)
    assert elsewhere.doctor("skills").findings == {}


def test_a_folder_that_others_can_write(elsewhere: Ward) -> None:
    approve(elsewhere)
    (elsewhere.home / "skills").chmod(0o777)
    elsewhere.mend(elsewhere.doctor("skills").only("skills-folder-open"))
    assert elsewhere.doctor("skills").findings == {}


def test_too_many_tools(elsewhere: Ward) -> None:
    tools = [{"name": f"t{number}", "access": "read", "description": "x"} for number in range(24)]
    code = "".join(f"def t{number}(input, ask): ...\n" for number in range(24))
    approve(elsewhere, code=code, tools=tools)
    assert elsewhere.doctor("skills").findings == {}
    elsewhere.run("skills", "enable", "clock")
    finding = elsewhere.doctor("skills").only("skills-too-many-tools")
    assert "you and trusted contacts and standard contacts" in finding["what"]
    elsewhere.run("skills", "disable", "clock")
    assert elsewhere.doctor("skills").findings == {}


def test_a_skill_that_fails_again_and_again(elsewhere: Ward, spare: Redis) -> None:
    approve(elsewhere, code="def where(input, ask): raise ValueError('zqSecretzq')\n")
    for number in range(3):
        assert elsewhere.doctor("skills").findings == {}, number
        result = elsewhere.run("skills", "test", "parcel", "where", "--json")
        assert json.loads(result.stdout)["data"]["code"] == "failed"
    finding = elsewhere.doctor("skills").only("skill-failing")
    assert "3 times" in finding["what"]
    assert "Secretzq" not in elsewhere.run("doctor").output + elsewhere.run("skills", "log").output
    spare.delete(keys.SKILL_CALLS)
    spare.xadd(
        keys.SKILL_CALLS, {"skill": "parcel", "tool": "where", "code": "failed"}, id=f"{int(time.time() * 1000) - 3_600_000}-0"
    )
    assert elsewhere.doctor("skills").findings == {}
