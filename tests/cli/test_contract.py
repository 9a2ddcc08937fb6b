"""What may a script rely on? One envelope, one exit code, the same in text and in JSON."""

import asyncio
import json
import re
from typing import Any

import pytest
from fakes.process import Cli, code_of
from fakes.town import Town
from redis import Redis

MIGRATED = {"already", "approved", "denied", "executed", "gone", "processed", "refused", "tier"}
REPORTED = {"byContact", "byEvent", "bySeverity", "first", "last", "since", "total"}
DRAFT = {
    "answers",
    "asked",
    "channelId",
    "contactId",
    "displayName",
    "expiresAt",
    "fault",
    "heldAt",
    "id",
    "job",
    "jobName",
    "maySend",
    "overtaken",
    "own",
    "reason",
    "text",
    "texts",
    "tier",
    "why",
}
INVITE = {"code", "createdAt", "expiresAt", "links", "name", "tier"}
SETTLED = {"contactId", "drafts", "id", "left", "outcome"}
USAGE = {"by", "capPerContactUsd", "capUsd", "days", "lines", "routing", "todayUsd"}
REMEMBERING = {
    "budgetTokens",
    "bytes",
    "contacts",
    "damaged",
    "embeddings",
    "enabled",
    "facts",
    "filled",
    "keepDays",
    "recipients",
    "unsent",
    "encrypted",
    "waiting",
}
CASES: dict[str, tuple[str, int, set[str]]] = {
    "status": (
        "secondme.status/1",
        1,
        {
            "channels",
            "cost",
            "messages",
            "pairing",
            "paused",
            "pauses",
            "processes",
            "queue",
            "store",
            "loss",
            "unreadable",
            "recipients",
            "mediaRecipients",
            "jobs",
            "heard",
            "spoken",
        },
    ),
    "pairing list": ("secondme.pairing.list/1", 0, {"contacts", "following", "stats"}),
    "pairing list --status pending": ("secondme.pairing.list/1", 0, {"contacts", "following", "stats"}),
    "pairing approve CODE": ("secondme.pairing.approve/1", 0, {"decisions"}),
    "pairing approve local:ben --tier trusted --notes friend": ("secondme.pairing.approve/1", 0, {"decisions"}),
    "pairing approve --all": ("secondme.pairing.approve/1", 0, {"decisions"}),
    "pairing approve local:anna": ("secondme.pairing.approve/1", 0, {"decisions"}),
    "pairing approve 000000 local:ben": ("secondme.pairing.approve/1", 65, {"decisions"}),
    "pairing approve 000000": ("secondme.pairing.approve/1", 65, set()),
    "pairing approve local:nobody": ("secondme.pairing.approve/1", 65, set()),
    "pairing approve local:cara": ("secondme.pairing.approve/1", 65, set()),
    "pairing deny CODE --reason spam": ("secondme.pairing.deny/1", 0, {"decisions"}),
    "pairing deny local:anna local:cara": ("secondme.pairing.deny/1", 0, {"decisions"}),
    "pairing deny local:nobody": ("secondme.pairing.deny/1", 65, set()),
    "pairing revoke local:anna --yes": ("secondme.pairing.revoke/1", 0, {"decisions"}),
    "pairing revoke local:ben --yes": ("secondme.pairing.revoke/1", 65, set()),
    "pairing tier local:anna trusted": ("secondme.pairing.tier/1", 0, {"decisions"}),
    "pairing tier local:ben trusted": ("secondme.pairing.tier/1", 65, set()),
    "pairing notes local:anna friend": ("secondme.pairing.notes/1", 0, {"decisions"}),
    "pairing notes local:ben friend": ("secondme.pairing.notes/1", 65, set()),
    "pairing unblock local:cara": ("secondme.pairing.unblock/1", 0, {"decisions"}),
    "pairing unblock local:anna": ("secondme.pairing.unblock/1", 65, set()),
    "pairing invite --name Dora --ttl 2h": ("secondme.pairing.invite/1", 0, INVITE),
    "pairing invites": ("secondme.pairing.invites/1", 0, {"invites"}),
    "pairing cancel-invite 271828": ("secondme.pairing.cancel-invite/1", 65, set()),
    "write local:anna hello": ("secondme.write/1", 0, {"contactId", "outcome", "rowIds"}),
    "write local:nobody hello": ("secondme.write/1", 65, set()),
    "doctor config": ("secondme.doctor/1", 0, {"checks", "findings", "fixed", "healthy"}),
    "doctor --list": ("secondme.doctor.list/1", 0, {"checks"}),
    "restore": ("secondme.restore/1", 65, set()),
    "service status": ("secondme.service.status/1", 65, set()),
    "restart": ("secondme.restart/1", 1, {"elsewhere", "restarted"}),
    "reload": ("secondme.reload/1", 1, {"elsewhere", "processes"}),
    "dead list": ("secondme.dead.list/1", 0, {"letters"}),
    "dead retry --all": ("secondme.dead.retry/1", 0, {"contacts"}),
    "dead drop local:anna": ("secondme.dead.drop/1", 65, set()),
    "pause": ("secondme.pause/1", 0, {"contact", "for"}),
    "pause local:anna --for 90s": ("secondme.pause/1", 0, {"contact", "for"}),
    "pause !": ("secondme.pause/1", 65, set()),
    "resume": ("secondme.resume/1", 0, {"answered", "contact", "missed", "outcome"}),
    "resume local:anna": ("secondme.resume/1", 0, {"answered", "contact", "missed", "outcome"}),
    "kill": ("secondme.kill/1", 0, {"killed"}),
    "kill --off": ("secondme.kill/1", 0, {"killed"}),
    "drafts list": ("secondme.drafts.list/1", 0, {"drafts"}),
    "drafts send beef": ("secondme.drafts.send/1", 0, SETTLED),
    "drafts send beef --anyway": ("secondme.drafts.send/1", 0, SETTLED),
    "drafts drop beef": ("secondme.drafts.drop/1", 0, SETTLED),
    "drafts send beef cafe": ("secondme.drafts.send/1", 65, {"drafts", "left"}),
    "drafts drop --all --yes": ("secondme.drafts.drop/1", 0, SETTLED),
    "drafts send nothing": ("secondme.drafts.send/1", 65, set()),
    "drafts show beef": ("secondme.drafts.show/1", 0, DRAFT),
    "drafts edit beef --text words": ("secondme.drafts.edit/1", 0, {*DRAFT, "outcome"}),
    "drafts edit beef --text words --send": ("secondme.drafts.edit/1", 0, {*DRAFT, "outcome"}),
    "drafts edit beef": ("secondme.drafts.edit/1", 78, set()),
    "persona list": ("secondme.persona.list/1", 0, {"missing", "personas"}),
    "persona show nobody": ("secondme.persona.show/1", 65, set()),
    "persona use nobody": ("secondme.persona.use/1", 65, set()),
    "persona test hello": ("secondme.persona.test/1", 77, set()),
    "style show": ("secondme.style.show/1", 0, {"contact", "description", "profile"}),
    "contacts relate local:anna friend": ("secondme.contacts.relate/1", 0, {"confidence", "contactId", "manual", "relationship"}),
    "contacts relate local:ben friend": ("secondme.contacts.relate/1", 65, set()),
    "contacts mode local:anna draft": ("secondme.contacts.mode/1", 0, {"chosen", "contactId", "mode"}),
    "contacts mode local:ben off": ("secondme.contacts.mode/1", 65, set()),
    "contacts speech local:anna never": ("secondme.contacts.speech/1", 0, {"chosen", "contactId", "enabled", "speech"}),
    "contacts speech local:ben never": ("secondme.contacts.speech/1", 65, set()),
    "contacts birthday": ("secondme.contacts.birthday/1", 0, {"birthday", "birthdays", "contactId"}),
    "contacts birthday local:anna 4.5.": ("secondme.contacts.birthday/1", 0, {"birthday", "birthdays", "contactId"}),
    "contacts birthday local:ben 4.5.": ("secondme.contacts.birthday/1", 65, set()),
    "contacts promises": ("secondme.contacts.promises/1", 0, {"promises", "settled"}),
    "contacts promises --done 3f": ("secondme.contacts.promises/1", 65, set()),
    "jobs list": ("secondme.jobs.list/1", 0, {"jobs", "off"}),
    "jobs ready": ("secondme.jobs.ready/1", 0, {"ready"}),
    "jobs allowed": ("secondme.jobs.allowed/1", 0, {"grants"}),
    "jobs show nothing": ("secondme.jobs.show/1", 65, set()),
    "jobs allow local:ben greet --yes": ("secondme.jobs.allow/1", 65, set()),
    "hooks list": ("secondme.hooks.list/1", 0, {"hooks"}),
    "memory status": ("secondme.memory.status/1", 0, REMEMBERING),
    "memory search local:anna dog": ("secondme.memory.search/1", 0, {"contact", "hits"}),
    "memory search local:ben dog": ("secondme.memory.search/1", 65, set()),
    "memory show local:anna": ("secondme.memory.show/1", 0, {"contacts"}),
    "memory show local:ben": ("secondme.memory.show/1", 65, set()),
    "memory facts local:anna": ("secondme.memory.facts/1", 0, {"facts", "forgotten"}),
    "memory forget local:anna --yes": ("secondme.memory.forget/1", 0, {"contact", "facts", "left", "messages"}),
    "memory forget local:ben --yes": ("secondme.memory.forget/1", 65, set()),
    "memory index": ("secondme.memory.index/1", 0, {"added", "contacts"}),
    "--set memory.enabled=false memory index": ("secondme.memory.index/1", 78, set()),
    "hear nowhere.ogg": ("secondme.hear/1", 65, set()),
    "hear --test nowhere": ("secondme.hear/1", 65, set()),
    "hear --get-model large": ("secondme.hear/1", 65, set()),
    "hear --remove-model base": ("secondme.hear.model/1", 0, {"bytes", "name", "path"}),
    "rehearse --yes": ("secondme.rehearse/1", 65, set()),
    "rehearse --runs": ("secondme.rehearse.runs/1", 0, {"runs"}),
    "rehearse --blind": ("secondme.rehearse/1", 65, set()),
    "rehearse --forget --yes": ("secondme.rehearse.forget/1", 0, {"deleted"}),
    "rehearse --teach --forget --yes": ("secondme.rehearse.unteach/1", 0, {"contacts"}),
    "see nowhere.jpg": ("secondme.see/1", 65, set()),
    "import whatsapp nowhere.txt": ("secondme.import.whatsapp/1", 65, set()),
    "import telegram nowhere.json": ("secondme.import.telegram/1", 65, set()),
    "speak hello -o hello.ogg": ("secondme.speak/1", 78, set()),
    "usage": ("secondme.usage/1", 0, USAGE),
    "usage --by contact --days 30": ("secondme.usage/1", 0, USAGE),
    "usage --by model": ("secondme.usage/1", 0, USAGE),
    "usage --by message": ("secondme.usage/1", 0, USAGE),
    "trace --contact local:anna": ("secondme.trace/1", 0, {"contactId", "messages"}),
    "trace nothing": ("secondme.trace/1", 65, set()),
    "agent --message hi": ("secondme.agent/1", 77, set()),
    "agent --message hi --to local:nobody": ("secondme.agent/1", 65, set()),
    "agent --message hi --to self": ("secondme.agent/1", 65, set()),
    "migrate pairing": ("secondme.migrate.pairing/1", 0, MIGRATED),
    "migrate pairing --tier trusted --execute": ("secondme.migrate.pairing/1", 0, MIGRATED),
    "migrate pairing --from nonsense": ("secondme.migrate.pairing/1", 78, set()),
    "security tail": ("secondme.security.tail/1", 0, {"events"}),
    "security report": ("secondme.security.report/1", 0, REPORTED),
    "security report --since 90s": ("secondme.security.report/1", 0, REPORTED),
    "channels list": ("secondme.channels.list/1", 0, {"channels"}),
    "channels pause telegram": ("secondme.channels.pause/1", 0, {"id", "paused"}),
    "channels resume telegram": ("secondme.channels.resume/1", 0, {"id", "paused"}),
    "channels pause nonsense": ("secondme.channels.pause/1", 65, set()),
    "channels disconnect telegram": ("secondme.channels.disconnect/1", 0, {"forgotten", "id"}),
    "channels disconnect whatsapp_cloud --forget": ("secondme.channels.disconnect/1", 0, {"forgotten", "id"}),
    "channels connect telegram": ("secondme.channels.connect/1", 78, set()),
    "channels connect telegram --answer token=1:a": ("secondme.channels.connect/1", 78, set()),
    "channels connect local": ("secondme.channels.connect/1", 0, {"account", "code", "gatewayRuns", "id", "state"}),
    "channels connect nonsense": ("secondme.channels.connect/1", 65, set()),
    "channels test telegram": ("secondme.channels.test/1", 69, set()),
    "contacts list": ("secondme.contacts.list/1", 0, {"persons"}),
    "contacts list --channel local --search ann": ("secondme.contacts.list/1", 0, {"persons"}),
    "contacts show local:anna": ("secondme.contacts.show/1", 0, {"contacts"}),
    "contacts show local:nobody": ("secondme.contacts.show/1", 65, set()),
    "contacts link local:anna telegram:77": ("secondme.contacts.link/1", 0, {"contacts", "mode", "outcome", "tier"}),
    "contacts link local:anna local:cara": ("secondme.contacts.link/1", 75, set()),
    "contacts link telegram:1 telegram:2": ("secondme.contacts.link/1", 65, set()),
    "contacts unlink local:anna": ("secondme.contacts.unlink/1", 65, set()),
    "contacts forget local:anna --yes": ("secondme.contacts.forget/1", 0, {"contacts"}),
    "contacts forget local:nobody --yes": ("secondme.contacts.forget/1", 65, set()),
    "config show": ("secondme.config.show/1", 0, {"settings"}),
    "config path": ("secondme.config.path/1", 0, {"config_file", "data", "logs", "personas"}),
    "--set pairing.modus=x config show": ("secondme.config.show/1", 78, set()),
    "--set queue.slots=none status": ("secondme.status/1", 78, set()),
}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.mark.parametrize("line", CASES)
def test_the_envelope_of(line: str, cli: Cli, door: Redis) -> None:
    schema, exit_code, data = CASES[line]
    result = cli(*line.replace("CODE", code_of(door, "local:ben")).split(), "--json")
    envelope = json.loads(result.stdout)
    assert result.stdout == json.dumps(envelope, sort_keys=True, indent=2) + "\n"
    assert set(envelope) == {"schema", "status", "exit_code", "data", "errors"}
    assert (envelope["schema"], envelope["exit_code"], result.exit_code) == (schema, exit_code, exit_code)
    assert set(envelope["data"]) == data
    failed = exit_code not in {0, 1}
    assert envelope["status"] == ("ok" if not failed else "partial" if data else "error")
    assert [set(error) for error in envelope["errors"]] == ([{"code", "message", "fix"}] if failed else [])
    check_values(envelope["data"])


@pytest.mark.parametrize("line", CASES)
def test_the_text_ends_with_the_same_exit_code(line: str, cli: Cli, door: Redis) -> None:
    _, exit_code, data = CASES[line]
    result = cli(*line.replace("CODE", code_of(door, "local:ben")).split())
    assert result.exit_code == exit_code
    assert bool(result.stdout) == bool(data)
    assert result.stderr.count("\n") == (0 if exit_code in {0, 1} else 1)
    assert not result.stderr or result.stderr.startswith("secondme: ")


def check_values(value: Any, name: str = "") -> None:
    """Times are RFC 3339 in UTC, and what is a list is never null."""
    match value:
        case dict():
            for key, inner in value.items():
                check_values(inner, key)
        case list():
            for inner in value:
                check_values(inner)
        case str() if name.endswith("At") or name in {"at", "first", "last", "oldest", "since", "until"}:
            assert _TIME.fullmatch(value), (name, value)
        case None:
            assert name in {
                "jobs",
                "jobName",
                "displayName",
                "tier",
                "paused",
                "oldest",
                "until",
                "for",
                "value",
                "first",
                "last",
                "since",
                "lastReceivedAt",
                "firstAt",
                "lastAt",
                "lastAliveAt",
                "lastSentAt",
                "sentAt",
                "fault",
                "job",
                "contact",
                "profile",
                "loss",
                "heard",
                "spoken",
                "remembered",
                "birthday",
                "year",
                "turns",
                "settled",
                "day",
            }, name


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "pairing approve",
        "pairing approve 123456 --all",
        "pairing approve --all --tier owner",
        "pairing invite --ttl soon",
        "pairing invite --ttl 0",
        "pairing list --status odd",
        "pairing revoke local:anna",
        "pause --for 0s",
        "pause --for 999d",
        "chat",
        "security tail --lines 0",
        "security report --since soon",
        "watch nothing",
        "migrate predecessor",
        "serve --role nobody",
        "kill --nonsense",
        "persona use",
        "import whatsapp",
        "contacts relate local:anna boss",
        "contacts mode local:anna loud",
        "contacts speech local:anna loud",
        "contacts birthday local:anna 4.5. --clear",
        "contacts birthday --clear",
        "usage --by week",
        "usage --days 0",
        "agent",
        "agent --message hi --thinking hard",
        "trace",
    ],
)
def test_wrong_usage_ends_with_2_and_changes_nothing(line: str, cli: Cli, door: Redis) -> None:
    before = {key: door.dump(key) for key in door.keys()}  # noqa: SIM118
    result = cli(*line.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert {key: door.dump(key) for key in door.keys()} == before  # noqa: SIM118


@pytest.mark.usefixtures("raw")
def test_a_pause_does_not_weaken_the_kill_switch(cli: Cli) -> None:
    assert cli("kill").exit_code == 0
    for words in (("pause",), ("resume",)):
        result = cli(*words)
        assert (result.exit_code, result.stdout) == (75, "")
        assert "secondme kill --off" in result.stderr
        assert json.loads(cli("status", "--json").stdout)["data"]["paused"]["killed"]
    assert cli("kill", "--off").exit_code == 0
    assert json.loads(cli("status", "--json").stdout)["data"]["paused"] is None


async def test_resume_says_who_wrote_meanwhile_and_answers_them_on_demand(cli: Cli, town: Town) -> None:
    await town.let_in("anna")
    assert (await asyncio.to_thread(cli, "pause", "anna", "--for", "2h")).exit_code == 0
    await town.writes("anna", "are you there?")
    said = await asyncio.to_thread(cli, "resume", "anna")
    assert said.stdout.startswith("local:anna is answered again. 1 person wrote meanwhile and got no answer: Anna (1).")
    assert "secondme resume local:anna --answer" in said.output
    answered = json.loads((await asyncio.to_thread(cli, "resume", "--answer", "--json")).stdout)["data"]
    assert answered == {
        "contact": "ALL",
        "outcome": "not_paused",
        "missed": [{"contact": "local:anna", "name": "Anna", "messages": 1}],
        "answered": 1,
    }
    assert await town.work() == ["answered"]
