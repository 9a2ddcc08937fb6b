"""Is everybody found who was meant, by every command that takes a contact, and nobody else?"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fakes.command_lines import TREE
from fakes.process import Cli
from redis import Redis

from secondme.cli.help.completion import CONTACTS
from secondme.core.store import keys


def change(door: Redis, contact: str, **fields: str) -> None:
    """An approved contact's record says so."""
    record = json.loads(str(door.get(keys.approved(contact))))
    door.set(keys.approved(contact), json.dumps({**record, **fields}))


TAKES = {
    "agent to": "--message hello --to {}",
    "contacts birthday contact": "{}",
    "contacts forget contact": "{} --yes",
    "contacts link contact": "{} local:rita",
    "contacts link other": "local:rita {}",
    "contacts mode contact": "{} draft",
    "contacts promises contact": "{}",
    "contacts relate contact": "{} friend",
    "contacts show contact": "{}",
    "contacts speech contact": "{} never",
    "contacts unlink contact": "{}",
    "dead drop contact": "{}",
    "dead retry contact": "{}",
    "drafts list contact": "--contact {}",
    "import telegram contact": "result.json --contact {}",
    "import whatsapp contact": "chat.txt --contact {}",
    "jobs add to": "hello --on-call --write hi --to {}",
    "jobs allow contact": "{} greet --yes",
    "jobs disallow contact": "{} greet",
    "memory eval contact": "{} questions.jsonl",
    "memory facts contact": "{}",
    "memory forget contact": "{} --yes",
    "memory index contact": "{}",
    "memory search contact": "{} dinner",
    "memory show contact": "{}",
    "pairing approve references": "{}",
    "pairing deny references": "{}",
    "pairing notes contact": "{} careful",
    "pairing revoke contact": "{} --yes",
    "pairing tier contact": "{} trusted",
    "pairing unblock contact": "{}",
    "pause contact": "{}",
    "persona new from_style": "casual --from-style {}",
    "persona test contact": "hello --contact {}",
    "persona use contact": "--clear --contact {}",
    "rehearse contact": "--contact {} --teach --forget --yes",
    "resume contact": "{}",
    "skills test contact": "clock there --as {}",
    "style show contact": "{}",
    "trace contact": "--contact {}",
    "write contact": "{} hello",
}
"""Every parameter that takes a contact, and what is typed for its command."""
WHO = {"pairing approve references": "ben", "pairing deny references": "ben", "pairing unblock contact": "cara"}
"""Who is meant, where it is not Anna: Ben waits, Cara was denied."""
NEAR = {"anna": "anan", "ben": "bne", "cara": "acra"}
NUMBERS = {"anna": "0 30 / 123-456"}
LOST = {"unknown_contact", "ambiguous_contact", "not_approved", "not_denied", "contact_denied"}


def takers() -> set[str]:
    """Every parameter of the whole tree of commands that takes a contact, by what it offers, how it is called or what its help says."""
    found = set()
    for path, each in TREE.items():
        for param in each.params:
            is_offered = getattr(param, "_custom_shell_complete", None) is not None and _offers_contacts(param)
            is_called = param.name == "contact" or "CONTACT" in str(param.metavar)
            is_told = re.search(r"[Cc]ontact('s id|,? by id)|this contact|an id(,)? or a name", str(getattr(param, "help", "")))
            if is_offered or is_called or is_told:
                found.add(f"{path} {str(param.name).removesuffix('_')}")
    return found


def _offers_contacts(param: Any) -> bool:
    """True when typer was given one of ours for it: it wraps what it is given."""
    inside = [cell.cell_contents for cell in param._custom_shell_complete.__closure__ or ()]
    return any(getattr(each, "__wrapped__", each) in CONTACTS for each in inside if callable(each))


def test_no_parameter_takes_a_contact_that_the_table_does_not_name() -> None:
    assert takers() == set(TAKES)


@contextmanager
def as_it_was(url: str) -> Iterator[None]:
    """What is done inside to the store is undone."""
    store = Redis.from_url(url)
    before = {key: store.dump(key) for key in store.scan_iter()}
    yield
    store.flushdb()
    for key, value in before.items():
        store.restore(key, 0, value)
    store.close()


@pytest.mark.parametrize("place", sorted(TAKES))
def test_whoever_is_meant_is_found_however_they_are_named_and_a_slip_names_the_nearest(
    cli: Cli, door: Redis, redis_url: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chat.txt").write_text("[01/02/24, 10:00:00] Anna: hi\n[01/02/24, 10:01:00] Sam: hello\n")
    (tmp_path / "result.json").write_text('{"name": "Anna", "type": "personal_chat", "id": 1, "messages": []}')
    (tmp_path / "questions.jsonl").write_text("")
    change(door, "local:anna", displayName="Anna", phoneNumber="+4930123456")
    door.rpush(keys.held("local:anna"), str(door.lindex(keys.held("local:rita"), 0)).replace("rita", "anna"))
    door.zadd(keys.HELD_INDEX, {"local:anna": 1})
    door.rpush(keys.dead("local:anna"), "{}")
    door.zadd(keys.DEAD_INDEX, {"local:anna": 1})
    assert cli("pause", "local:anna").exit_code == 0
    if "unlink" in place:
        assert cli("contacts", "link", "local:anna", "telegram:77").exit_code == 0
    who = WHO.get(place, "anna")
    path, template = place.rpartition(" ")[0].split(), TAKES[place].split()

    def ran(name: str) -> tuple[int, str, dict[str, Any]]:
        result = cli(*path, *(word.format(name) for word in template), "--json")
        errors = json.loads(result.stdout)["errors"] if result.stdout.startswith("{") else []
        return result.exit_code, errors[0]["code"] if errors else "", errors[0] if errors else {}

    wrong = ran(NEAR[who])
    assert wrong[:2] == (65, "unknown_contact"), wrong
    assert re.fullmatch(rf"Did you mean (telegram:77 or )?(Anna|(local:)?{who})\?", wrong[2]["fix"]), wrong
    names = [f"local:{who}", f" local:{who} "]
    if place != "pairing approve references":  # strangers choose their names, and so may their ids
        names += [who[:3], NUMBERS.get(who, who)]
        names += [who.upper()] if "unlink" not in place else []  # both contacts of a person have one name
    outcomes = []
    for name in names:
        with as_it_was(redis_url):
            outcomes.append(ran(name)[:2])
    assert set(outcomes) == {outcomes[0]}, dict(zip(names, outcomes, strict=True))
    assert outcomes[0][0] != 2
    assert outcomes[0][1] not in LOST


@pytest.mark.parametrize("typed", ["Mum", "ben", "BEN", "be", "local:be"])
def test_neither_a_name_nor_a_part_of_an_id_approves_anybody(cli: Cli, door: Redis, typed: str) -> None:
    change_pending(door, "local:ben", displayName="Mum")
    result = cli("pairing", "approve", typed)
    assert (result.exit_code, "waits. Did you mean local:ben?" in result.stderr) == (65, True), result.stderr
    assert not door.exists(keys.approved("local:ben"))


def change_pending(door: Redis, contact: str, **fields: str) -> None:
    """A request says so."""
    record = json.loads(str(door.get(keys.pending(contact))))
    door.set(keys.pending(contact), json.dumps({**record, **fields}))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pairing approve local:bne", "Did you mean local:ben?"),
        ("pairing approve local:ana", "Nobody with the id local:ana waits. Try: secondme pairing list"),
        ("pairing approve 000000", "No request has this code"),
        ("pairing deny local:caar", "secondme pairing list"),
        ("pairing revoke local:be", "No approved contact has that name or id. Try: secondme contacts list"),
        ("pairing revoke local:ben", "ben (local:ben) waits and was not approved. Try: secondme pairing approve"),
        ("pairing revoke cara --yes", "cara (local:cara) is denied. Try: secondme pairing unblock local:cara"),
        ("pairing unblock local:anna", "anna (local:anna) is approved and not denied."),
        ("pairing unblock local:acra", "Did you mean local:cara?"),
        ("contacts mode local:anan draft", "Did you mean local:anna?"),
        ("contacts mode whatsapp:1 draft", "No approved contact has that name or id. Try: secondme contacts list"),
        ("contacts forget local:anan --yes", "Did you mean local:anna?"),
        ("contacts show local:anan", "Did you mean local:anna?"),
        ("contacts unlink local:anan", "local:anan is linked with nobody."),
        ("resume ritta", "No approved contact has that name or id. Try: secondme contacts list"),
        ("dead drop rita", "Nothing of local:rita was set aside."),
        ("channels pause telegrm", "Did you mean telegram?"),
    ],
)
@pytest.mark.usefixtures("door")
def test_nobody_is_offered_for_whom_the_verb_makes_no_sense(cli: Cli, line: str, said: str) -> None:
    words = line.split()
    result = cli(*words, *(["--yes"] if words[1] == "revoke" and "--yes" not in words else []))
    assert result.exit_code == 65, result.output
    assert said in result.stderr, result.stderr


def test_several_are_listed_each_with_how_it_is_named(cli: Cli, door: Redis) -> None:
    change(door, "local:rita", displayName="Anna")
    several = cli("contacts", "mode", "ANNA", "draft")
    assert several.exit_code == 65
    told = "That means 2 contacts: local:rita (Anna, approved), local:anna (anna, approved). Name one of them by its id."
    assert several.stderr == f"secondme: {told}\n"


def test_an_id_never_means_somebody_who_calls_themselves_so(cli: Cli, door: Redis) -> None:
    change(door, "local:rita", displayName="local:ben")
    trace = cli("trace", "--contact", "local:ben")
    assert (trace.exit_code, "waits and was not approved" in trace.stderr) == (65, True), trace.stderr
    assert [cli("pause", contact).exit_code for contact in ("local:ben", " local:anna ")] == [65, 0]
    assert [door.exists(keys.pause(contact)) for contact in ("local:anna", "local:rita")] == [1, 0]


def test_who_has_a_record_that_cannot_be_read_is_paused_and_revoked_all_the_same(cli: Cli, door: Redis) -> None:
    door.set(keys.approved("local:anna"), "nonsense")
    assert cli("pause", "local:anna").exit_code == 0
    assert cli("pairing", "revoke", "local:anna", "--yes").exit_code == 0
    assert not door.exists(keys.approved("local:anna"))
