"""A rehearsal on a real home: it leaves no trace but what it cost and its own file, pays once, and accounts for every answer."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fakes.model import ScriptedModel
from fakes.town import Town

from secondme.core.errors import CredentialsError, NotFoundError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.memory.messages import MemoryMessage
from secondme.core.messages import Composed, ModelRefused, ModelSize, Prompt, Usage
from secondme.core.records import Lesson, OwnMessage
from secondme.core.rehearse.archive import RunArchive
from secondme.core.rehearse.rehearsal import remove_unfinished
from secondme.core.reply.store import REHEARSAL
from secondme.core.store import keys
from secondme.rehearsal_desk import RehearsalDesk, RehearsalPlan, RehearsalWishes, RunEnd

ANNA, BOB = ContactId("local:anna"), ContactId("local:bob")
COUNTED = Usage(300, 20, model="claude-sonnet-5-5")
TOPICS = ("garden", "train", "dinner", "exam", "boss", "rent")


async def told(town: Town, who: ContactId, answers: int, *, seed: int = 1) -> None:
    """The owner's past with somebody: so many answers, an hour and more apart, as they are learnt from."""
    chance, at = Random(f"{who}{seed}"), town.clock.now() - timedelta(days=80)
    own = []
    for number in range(answers):
        at += timedelta(hours=chance.choice([1, 3, 5]))
        asked = f"what about the {chance.choice(TOPICS)} and the {chance.choice(TOPICS)}? kanari{number}q{who[-3:]}"
        words = f"{chance.choice(['ok', 'no idea', 'jaja', 'later'])} kanari{number}a{who[-3:]}"
        own.append(OwnMessage(id=f"{who}-{number}", at=at, text=words, before=asked))
    await town.services.style.add(who, own)


@pytest.fixture
async def lived(town: Town) -> Town:
    for who in ("anna", "bob"):
        await town.let_in(who)
    await town.deliver()
    await told(town, ANNA, 130)
    await told(town, BOB, 80)
    town.model.script = lambda _: Composed("Certainly, that sounds wonderful.", COUNTED)
    return town


async def plan_of(town: Town, **wishes: Any) -> tuple[RehearsalDesk, RehearsalPlan]:
    desk = RehearsalDesk(town.services)
    return desk, await desk.plan(RehearsalWishes(**{"seed": 5, "count": 8, "max_usd": 1.0} | wishes))


async def run(desk: RehearsalDesk, plan: RehearsalPlan, model: ScriptedModel) -> RunEnd:
    return await desk.run(plan, lambda _: model, lambda *_: None, lambda _: None)


async def everything(town: Town) -> dict[str, bytes]:
    """Every value of the store, byte for byte."""
    client = town.store.client
    return {key: await client.dump(key) for key in await town.raw_keys("*")}


def is_money(key: str) -> bool:
    kinds = (keys.token_stats("*"), keys.spent("*"), keys.TOKEN_USAGE)
    return any(fnmatchcase(key.rpartition("}:")[2] or key, kind) for kind in kinds)


def words_of(desk: RehearsalDesk, run_id: str) -> str:
    return (desk.archive.directory / f"{run_id}.jsonl").read_text("utf-8")


async def test_nothing_is_sent_learnt_or_changed_but_what_it_cost(lived: Town, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    before, files = await everything(lived), set(lived.setup.places.data.rglob("*"))
    learnt, sent = [await lived.services.style.own(ANNA), await lived.services.style.measures()], [*lived.channel.raw]
    desk, plan = await plan_of(lived)
    assert await everything(lived) == before
    assert not lived.model.prompts
    end = await run(desk, plan, lived.model)
    assert end.ended == ""
    after = await everything(lived)
    changed = {key for key in before | after if before.get(key) != after.get(key)}
    assert [key for key in changed if not is_money(key)] == []
    assert lived.channel.raw == sent
    assert await lived.tokens() == []
    assert learnt == [await lived.services.style.own(ANNA), await lived.services.style.measures()]
    new = set(lived.setup.places.data.rglob("*")) - files
    assert {path.relative_to(lived.setup.places.data).parts[0] for path in new} == {"rehearsals"}
    assert {path.suffix for path in new if path.is_file()} == {".jsonl", ".lock"}
    assert "kanari" not in caplog.text
    assert "Certainly" not in caplog.text


async def test_it_is_paid_from_an_account_of_its_own(lived: Town) -> None:
    desk, plan = await plan_of(lived)
    await run(desk, plan, lived.model)
    account = await lived.services.spending.account(lived.clock.now_ms(), 1, [ANNA, BOB, REHEARSAL])
    assert set(account.contacts) == {REHEARSAL}
    assert account.contacts[REHEARSAL].calls == len(lived.model.prompts) + len(lived.model.routed)
    assert {each["classification"] for each in await lived.services.spending.messages(500)} == {"rehearsal"}
    loaded = desk.archive.all()[0]
    assert loaded.micros == sum(day.micros for day in account.days.values())


async def test_the_estimate_is_not_far_from_what_it_costs_and_never_below_the_most(lived: Town) -> None:
    lived.model.script = lambda prompt: Composed("ok then", Usage(len(repr(prompt)) // 4, 250, model="claude-sonnet-5-5"))
    desk, plan = await plan_of(lived)
    await run(desk, plan, lived.model)
    cost = desk.archive.all()[0].micros
    assert plan.micros / 3 < cost < plan.most


async def test_every_answer_is_accounted_for(lived: Town) -> None:
    chance = Random(2)
    leaked = "You write the next chat message of Sam, as Sam, to somebody they know. Write only the message itself"

    def say(_: Prompt) -> Any:
        kind = chance.randrange(4)
        if kind == 0:
            return ModelRefused("refused", COUNTED)
        return Composed(leaked if kind == 1 else "sure thing", COUNTED)

    lived.model.script = say
    desk, plan = await plan_of(lived, count=30)
    end = await run(desk, plan, lived.model)
    found = desk.archive.load(end.run_id)
    outcomes = [each.outcome for each in found.answers.values()]
    assert len(outcomes) == len(found.bursts) == len(plan.chosen) == 30
    assert {"passed", "held", "silent"} <= set(outcomes)
    compared = desk.report(found).variants[0].comparison
    assert compared.passed + compared.held + compared.silent + compared.failed == 30
    assert {each.reason for each in found.answers.values() if each.outcome == "held"} == {"prompt_leak"}


async def test_a_model_that_is_away_ends_it_and_what_was_paid_is_not_paid_again(lived: Town) -> None:
    asked: list[str] = []

    def fail_from(most: int) -> Callable[[Prompt], Any]:
        def say(prompt: Prompt) -> Any:
            if len(asked) >= most:
                raise UnavailableError("model_overloaded", "Busy.")
            asked.append(repr(prompt))
            return Composed("ok", COUNTED)

        return say

    lived.model.script = fail_from(4)
    desk, plan = await plan_of(lived)
    end = await run(desk, plan, lived.model)
    assert end.ended == "model_overloaded"
    assert len(asked) == 4
    lived.model.script = fail_from(10**6)
    again = await desk.again(end.run_id, None)
    assert 0 < again.micros < plan.micros
    assert (await run(desk, again, lived.model)).ended == ""
    assert len(asked) == len(set(asked)) == len(plan.chosen)
    assert desk.archive.load(end.run_id).is_complete
    whole = await desk.again(end.run_id, None)
    assert (whole.micros, whole.most) == (0, 0)
    assert len(desk.archive.all()) == 1


@pytest.mark.parametrize("limit", ["max_usd", "daily"])
async def test_a_limit_ends_it_before_it_is_passed(lived: Town, limit: str) -> None:
    lived.model.script = lambda _: Composed("ok", Usage(2000, 1500, model="claude-sonnet-5-5"))
    desk, plan = await plan_of(lived, count=30, max_usd=0.2 if limit == "max_usd" else 10.0)
    if limit == "daily":
        vars(lived.services.settings.budget)["daily_usd"] = 0.2
    end = await run(desk, plan, lived.model)
    assert end.ended == ("over_rehearsal_limit" if limit == "max_usd" else "over_budget")
    found = desk.archive.load(end.run_id)
    assert 0 < len(found.answers) < 30
    assert found.micros <= 200_000 + (0 if limit == "max_usd" else 20_000)  # of a day one call may pass the cap


async def test_what_a_human_must_mend_ends_it_and_is_told(lived: Town) -> None:
    def say(_: Prompt) -> Any:
        raise CredentialsError("bad_key", "The key was refused.")

    lived.model.script = say
    desk, plan = await plan_of(lived)
    with pytest.raises(CredentialsError):
        await run(desk, plan, lived.model)
    assert (await lived.services.outages.look())[0] == {}
    lived.model.script = None
    (begun,) = desk.archive.all()
    assert (await run(desk, await desk.again(begun.head.id, None), lived.model)).ended == ""


async def test_variants_answer_the_same_and_each_in_its_voice_and_by_its_model(lived: Town) -> None:
    personas = lived.setup.places.personas
    personas.mkdir(parents=True)
    for name in ("home", "work"):
        (personas / f"{name}.md").write_text(f"---\nname: Sam\n---\nGuide of {name}.\n")
    desk, plan = await plan_of(lived, personas=("home", "work"), models=("claude-sonnet-5-5", "claude-opus-5"))
    assert [(each.persona, each.model) for each in plan.head.variants] == [
        ("home", "claude-sonnet-5-5"),
        ("home", "claude-opus-5"),
        ("work", "claude-sonnet-5-5"),
        ("work", "claude-opus-5"),
    ]
    end = await run(desk, plan, lived.model)
    found = desk.archive.load(end.run_id)
    assert set(found.answers) == {(burst, at) for burst in found.bursts for at in range(4)}
    guides = [prompt.system[0].text.partition("Guide of ")[2][:4] for prompt in lived.model.prompts]
    assert guides.count("home") == guides.count("work") == 2 * len(plan.chosen)
    with pytest.raises(NotFoundError):
        await plan_of(lived, personas=("nobody",))


async def test_after_another_setting_the_same_is_answered_and_compared(lived: Town) -> None:
    desk, plan = await plan_of(lived)
    first = await run(desk, plan, lived.model)
    lived.model.script = lambda _: Composed("ok", COUNTED)
    _, again = await plan_of(lived, against=first.run_id, seed=99, count=3)
    assert [each.record().id for each in again.chosen] == [each.record().id for each in plan.chosen]
    second = await run(desk, again, lived.model)
    found = desk.report(desk.archive.load(second.run_id))
    assert [each.model.rpartition(", run ")[2] for each in found.variants] == [first.run_id, second.run_id]
    assert [each.comparison.passed for each in found.variants] == [len(plan.chosen)] * 2
    assert [(each.first, each.second, each.pairs) for each in found.contrasts] == [(0, 1, len(plan.chosen))]
    desk.archive.forget(first.run_id)
    assert len(desk.report(desk.archive.load(second.run_id)).variants) == 1
    with pytest.raises(NotFoundError):
        await plan_of(lived, against=first.run_id)


async def test_small_talk_is_answered_by_the_small_model_and_counted_apart(lived: Town) -> None:
    await told(lived, ANNA, 130, seed=2)
    lived.model.router = lambda _: Composed("phatic", COUNTED)
    desk, plan = await plan_of(lived)
    end = await run(desk, plan, lived.model)
    routes = {each.route for each in desk.archive.load(end.run_id).answers.values()}
    sizes = {prompt.size for prompt in lived.model.prompts}
    assert routes <= {"phatic", "substantive"}
    assert (ModelSize.SMALL in sizes) == ("phatic" in routes)


async def test_what_memory_has_is_the_past_where_it_knows_more(lived: Town) -> None:
    start, said = lived.clock.now() - timedelta(days=60), []
    for number in range(200):
        at = int((start + timedelta(hours=number)).timestamp() * 1000)
        said.append(MemoryMessage(f"q{number}", at, "contact", f"is the {TOPICS[number % 6]} on? remembered{number}"))
        said.append(MemoryMessage(f"a{number}", at + 60_000, "owner", f"yes number {number}"))
    lived.services.memories.append(ANNA, said)
    desk, plan = await plan_of(lived, contacts=(ANNA,))
    assert all(each.record().id.startswith("a") for each in plan.chosen)
    assert all("remembered" in each.record().asked[0] for each in plan.chosen)
    await run(desk, plan, lived.model)
    assert any("<memory>" in block.text for prompt in lived.model.prompts for block in prompt.system)


async def test_a_voice_message_is_its_transcript(lived: Town) -> None:
    start, said = lived.clock.now() - timedelta(days=60), []
    for number in range(150):
        at = int((start + timedelta(hours=number)).timestamp() * 1000)
        said.append(
            MemoryMessage(f"q{number}", at, "contact", f'[voice message, 12 s: "shall we meet at the {TOPICS[number % 6]}"]')
        )
        said.append(MemoryMessage(f"a{number}", at + 60_000, "owner", f"yes number {number}"))
    lived.services.memories.append(ANNA, said)
    _, plan = await plan_of(lived, contacts=(ANNA,))
    assert {each.record().asked[0].rpartition(" ")[0] for each in plan.chosen} == {"shall we meet at the"}


async def test_who_was_let_go_or_forgotten_is_in_no_run(lived: Town) -> None:
    desk, plan = await plan_of(lived)
    end = await run(desk, plan, lived.model)
    assert "local:anna" in words_of(desk, end.run_id)
    await lived.owner.revoke(ANNA)
    left = words_of(desk, end.run_id)
    assert "local:anna" not in left
    assert "anna" not in left.replace("contact", "")
    assert "local:bob" in left
    await lived.services.contacts.forget(BOB)
    assert desk.archive.all() == []


@pytest.mark.parametrize("decide", ["deny", "revoke"])
async def test_either_decision_lets_go(lived: Town, decide: str) -> None:
    desk, plan = await plan_of(lived, contacts=(ANNA,))
    await run(desk, plan, lived.model)
    await getattr(lived.owner, decide)(ANNA)
    assert RunArchive(lived.setup.places.rehearsals).all() == []


async def test_a_json_of_the_report_has_nobodys_words(lived: Town) -> None:
    desk, plan = await plan_of(lived, count=25)
    end = await run(desk, plan, lived.model)
    said = json.dumps(desk.report(desk.archive.load(end.run_id)).to_json())
    assert "kanari" not in said
    assert "Certainly" not in said


async def test_notes_are_of_today_and_left_out_unless_they_are_wanted(lived: Town) -> None:
    await lived.owner.edit(ANNA, notes="canary-note")
    for wanted in (False, True):
        lived.model.prompts.clear()
        desk, plan = await plan_of(lived, contacts=(ANNA,), count=2, with_notes=wanted)
        await run(desk, plan, lived.model)
        assert all(("canary-note" in repr(prompt)) is wanted for prompt in lived.model.prompts)


async def test_a_lesson_is_unknown_before_the_answer_that_it_comes_from(lived: Town) -> None:
    _, plan = await plan_of(lived, contacts=(ANNA,), count=20)
    middle = plan.chosen[10]
    lesson = Lesson(wrote="Certainly, dear.", real="canary-lesson", because="too long", at=middle.at)
    await lived.services.choices.set_lessons(ANNA, [lesson])
    desk, plan = await plan_of(lived, contacts=(ANNA,), count=20)
    await run(desk, plan, lived.model)
    taught = {prompt.turns[-1].text: "canary-lesson" in repr(prompt) for prompt in lived.model.prompts}
    for candidate in plan.chosen:
        assert taught[candidate.record().asked[-1]] is (candidate.at > middle.at)


async def test_without_a_past_it_says_how_to_import_one(town: Town) -> None:
    await town.let_in("anna")
    with pytest.raises(Exception, match="No message of yours is known") as caught:
        await plan_of(town)
    assert caught.value.code == "nothing_to_rehearse"  # type: ignore[attr-defined]
    assert "import" in caught.value.fix  # type: ignore[attr-defined]
    await told(town, ANNA, 40)
    with pytest.raises(Exception, match="40 messages of yours are known, and it takes 60"):
        await plan_of(town)
    with pytest.raises(NotFoundError):
        await plan_of(town, contacts=(BOB,))


async def test_accounts_of_one_person_are_one_past(lived: Town) -> None:
    await lived.services.contacts.link("local:anna", "local:bob")
    desk, plan = await plan_of(lived)
    assert {id(each.past) for each in plan.chosen} == {id(plan.chosen[0].past)}
    await run(desk, plan, lived.model)


async def test_each_account_of_a_person_is_measured_beside_its_own_words(lived: Town) -> None:
    start = lived.clock.now() - timedelta(days=60)
    for who, shift in ((ANNA, 0), (BOB, 30)):
        said = []
        for number in range(140):
            at = int((start + timedelta(hours=number, minutes=shift)).timestamp() * 1000)
            said.append(MemoryMessage(f"q{who}{number}", at, "contact", f"is the {TOPICS[number % 6]} on {who}?"))
            said.append(MemoryMessage(f"a{who}{number}", at + 60_000, "owner", f"yes {who} {number}"))
        lived.services.memories.append(who, said)
    await lived.services.contacts.link("local:anna", "local:bob")
    _, plan = await plan_of(lived, count=20)
    found = {each.contact: each for each in plan.materials}
    assert set(found) == {each.contact for each in plan.chosen} == {ANNA, BOB}
    for who, material in found.items():
        assert material.own_count == 140
        assert len(material.others) == sum(each.contact == who for each in plan.chosen)
        assert all(who in text for text in (*material.past, *material.others, *material.contacts))


async def test_what_a_killed_one_left_of_its_memory_is_gone(lived: Town) -> None:
    desk, plan = await plan_of(lived, count=1)
    left = desk.archive.directory / "past-left"
    left.mkdir()
    (left / "words").write_text("kanari")
    under_way: list[list[str]] = []

    def look(_: Prompt) -> Composed:
        remove_unfinished(desk.archive.directory)  # as another rehearsal that begins
        under_way.append([each.name for each in desk.archive.directory.iterdir() if each.is_dir()])
        return Composed("ok", COUNTED)

    lived.model.script = look
    await run(desk, plan, lived.model)
    assert [len(each) for each in under_way] == [1]
    assert under_way != [["past-left"]]
    assert [each.name for each in desk.archive.directory.iterdir() if each.is_dir() or "past" in each.name] == []


Waits = Callable[[Prompt], Awaitable[Composed]]


async def test_one_that_is_cancelled_goes_on_where_it_was(lived: Town) -> None:
    reached = asyncio.Event()
    asked: list[str] = []

    async def stuck(prompt: Prompt) -> Composed:
        asked.append(repr(prompt))
        if len(asked) == 3:
            reached.set()
            await asyncio.Event().wait()
        return Composed("ok", COUNTED)

    lived.model.script = stuck
    desk, plan = await plan_of(lived)
    running = asyncio.create_task(run(desk, plan, lived.model))
    await reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    (begun,) = desk.archive.all()
    assert len(begun.answers) == 2
    lived.model.script = lambda prompt: asked.append(repr(prompt)) or Composed("ok", COUNTED)  # type: ignore[func-returns-value]
    await run(desk, await desk.again(begun.head.id, None), lived.model)
    assert len(asked) == len(plan.chosen) + 1


def test_the_private_files_are_in_no_backup() -> None:
    from secondme.core.backup import archive
    from secondme.core.backup.archive import DATA

    assert DATA
    assert "rehearsals" not in Path(archive.__file__).read_text()
