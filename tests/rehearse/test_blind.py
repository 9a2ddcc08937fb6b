"""The owner's blind test: which pairs are asked in which order and what they come to; and the session, on a real terminal."""

import re
import sys
from datetime import timedelta
from math import comb
from pathlib import Path

import pytest
from fakes.process import Terminal
from hypothesis import given
from hypothesis import strategies as st
from rehearse.runs import ANA as CONTACT
from rehearse.runs import NOW, a_run
from rehearse.writers import ANA, GENERIC
from rich.cells import cell_len

from secondme.core.rehearse.archive import RehearsalRun, RunArchive
from secondme.core.rehearse.blind import BlindSummary, BlindTest, Item, results
from secondme.core.rehearse.records import BlindChoice

PROGRAM = Path(__file__).with_name("blind_program.py")


def put(run: RehearsalRun, at: int, real: tuple[str, ...], reply: tuple[str, ...], **more: object) -> None:
    burst = run.bursts[f"b{at}"].model_copy(update={"real": real, **more})
    run.bursts[burst.id] = burst
    run.answers[burst.id, 0] = run.answers[burst.id, 0].model_copy(update={"reply": reply})


def asked(run: RehearsalRun, count: int = 500) -> list[Item]:
    return BlindTest(run, 0).open(count)


def ids(items: list[Item]) -> list[str]:
    return [item.burst.id for item in items]


@given(seed=st.integers(0, 2**31), count=st.integers(0, 75))
def test_the_owners_answer_is_a_as_often_as_b(seed: int, count: int) -> None:
    run = a_run(ANA, [GENERIC], count, seed=seed, past=0)
    for at in range(count):  # none that is left out
        put(run, at, (f"well then, that is my word no {at} x",), ("hello there",))
    sides = [item.is_a for item in asked(run)]
    assert len(sides) == count
    assert abs(2 * sum(sides) - count) <= 1
    for stop in range(0, count + 1, 20):  # where one may stop
        assert 2 * sum(sides[:stop]) == stop


def test_the_order_is_no_pattern_and_every_seeds_own() -> None:
    orders = {tuple(item.is_a for item in asked(a_run(ANA, [GENERIC], 40, seed=seed))[:20]) for seed in range(50)}
    assert len(orders) == 50
    first = [order[0] for order in orders]
    assert 10 < sum(first) < 40
    two = a_run(ANA, [GENERIC, GENERIC], 40)
    assert [(item.burst.id, item.is_a) for item in BlindTest(two, 0).open(40)] != [
        (item.burst.id, item.is_a) for item in BlindTest(two, 1).open(40)
    ]


def test_what_is_older_than_a_month_comes_first() -> None:
    items = asked(a_run(ANA, [GENERIC], 40))
    is_old = [item.burst.at < NOW - timedelta(days=30) for item in items]
    assert True in is_old
    assert False in is_old
    assert is_old == sorted(is_old, reverse=True)
    old = [item.burst.at for item in items if item.burst.at < NOW - timedelta(days=30)]
    assert old != sorted(old)


@pytest.mark.parametrize(
    "answer",
    ["Marta", "ana", "14:30", "5.", "12 May", "lunes", "tomorrow 5pm", "https://example.org/x", "ana@example.org", "3 2 1"],
)
def test_an_answer_of_facts_alone_is_not_offered(answer: str) -> None:
    run = a_run(ANA, [GENERIC], 6)
    put(run, 0, (answer,), ("well, who knows?",), asked=("I saw Marta",))
    put(run, 1, ("well, who knows?",), (answer,))
    assert not {"b0", "b1"} & set(ids(asked(run)))
    put(run, 0, (f"{answer} jaja",), ("well, who knows?",))
    put(run, 1, ("well, who knows?",), ("Yes", answer))
    put(run, 2, ("😂",), ("Yes",))
    assert {"b0", "b1", "b2"} <= set(ids(asked(run)))


@pytest.mark.parametrize(
    ("real", "reply", "is_same"),
    [
        (("Sí claro",), ("sí  CLARO ",), True),
        (("ok", "bye"), ("ok bye",), True),
        (("love ❤️",), ("love ❤",), True),
        (("😂 👍🏽",), ("😂 👍",), True),
        (("ok",), ("ok!",), False),
    ],
)
def test_what_is_the_same_cannot_be_told_and_is_counted(real: tuple[str, ...], reply: tuple[str, ...], is_same: bool) -> None:
    run = a_run(ANA, [GENERIC], 6)
    put(run, 2, real, reply)
    assert ("b2" in ids(asked(run))) is not is_same
    assert BlindTest(run, 0).summary(20).same == is_same
    said = BlindSummary(right=1, no_idea=0, n=2, same=3, remembered=0, is_done=True).text()
    assert "3 could not be told because they were the same" in said


def test_only_what_could_have_been_sent_is_asked_and_no_burst_that_asks_for_a_machine() -> None:
    run = a_run(ANA, [GENERIC], 6)
    before = set(ids(asked(run)))
    for at, outcome in enumerate(("held", "silent", "failed")):
        run.answers[f"b{at}", 0] = run.answers[f"b{at}", 0].model_copy(update={"outcome": outcome})
    put(run, 3, ("no jaja, it is me",), ("I am the assistant",), asks_if_machine=True)
    del run.answers["b4", 0]
    assert set(ids(asked(run))) == before & {"b5"}


def test_the_test_goes_on_where_it_was_left_and_asks_nothing_twice() -> None:
    run = a_run(ANA, [GENERIC], 50)
    whole = [(item.burst.id, item.is_a) for item in asked(run)]
    seen: list[tuple[str, bool]] = []
    while items := BlindTest(run, 0).open(30):  # as after a new start each time
        seen.append((items[0].burst.id, items[0].is_a))
        run.blind.append(items[0].choice("a"))
    assert seen == whole[:30]
    assert BlindTest(run, 0).summary(30).is_done
    assert not BlindTest(run, 0).summary(40).is_done
    assert [(item.burst.id, item.is_a) for item in BlindTest(run, 0).open(40)] == whole[30:40]


def test_a_remembered_pair_leaves_the_count_and_another_takes_its_place() -> None:
    run = a_run(ANA, [GENERIC], 50)
    for number in range(25):
        run.blind.append(
            BlindTest(run, 0).open(20)[0].choice("remembered" if number % 5 == 0 else "a" if number % 2 else "no_idea")
        )
    summary = BlindTest(run, 0).summary(20)
    assert (summary.n, summary.remembered, summary.no_idea, summary.is_done) == (20, 5, 10, True)
    assert "5 that you remembered" in summary.text()
    assert f"no idea in 10, which count as half: {summary.right + 5}." in summary.text()
    assert results(run) == {0: (summary.right + 5, 20)}
    for item in BlindTest(run, 0).open(500):
        run.blind.append(item.choice("remembered"))
    assert BlindTest(run, 0).summary(100).n == 20
    assert BlindTest(run, 0).summary(100).is_done  # there are no more


def test_no_turn_that_is_shown_tells_another_pairs_answer() -> None:
    run = a_run(ANA, [GENERIC], 6)
    put(run, 0, ("Vamos  LUEGO", "jaja"), ("certainly",))
    put(run, 1, ("claro que sí",), ("certainly",), before=(("contact", "x"), ("owner", "well\nvamos luego"), ("contact", "y")))
    put(run, 2, ("claro que no",), ("certainly",), before=(("owner", "vamos"), ("contact", "vamos luego")))
    shown = {item.burst.id: item.before for item in asked(run)}
    assert shown["b1"] == (("contact", "y"),)
    assert shown["b2"] == (("owner", "vamos"), ("contact", "vamos luego"))


def test_a_choice_is_the_owners_answer_wherever_it_stood() -> None:
    for item in asked(a_run(ANA, [GENERIC], 40)):
        own, other = ("a", "b") if item.is_a else ("b", "a")
        assert item.shown["ab".index(own)] == item.burst.real
        assert item.shown["ab".index(other)] == item.answer.reply
        assert (item.choice(own).said, item.choice(other).said) == ("real", "clone")  # type: ignore[arg-type]
        assert item.choice("no_idea") == BlindChoice(burst=item.burst.id, variant=0, said="no_idea")


@given(n=st.integers(1, 60), data=st.data())
def test_the_result_is_the_exact_tables(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    said = BlindSummary(right, 0, n, 0, 0, is_done=True).text()
    p = sum(comb(n, k) for k in range(right, n + 1)) / 2**n
    shown = "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".")
    assert f"You were right in {right} of {n}. Chance is {n / 2:g}." in said
    assert shown in said
    assert ("you can tell the clone from you" in said) == (p < 0.05)
    assert n >= 40 or "passes" not in said


# The session


def keep(folder: Path, run: RehearsalRun) -> str:
    """The id under which the run is kept."""
    with RunArchive(folder).create(run.head) as file:
        for burst in run.bursts.values():
            file.add_burst(burst)
        for material in run.materials.values():
            file.add_material(material)
        for answer in run.answers.values():
            file.add_answer(answer)
        return file.run.head.id


def session(folder: Path, run_id: str, count: int, **env: str) -> Terminal:
    return Terminal([sys.executable, str(PROGRAM), str(folder), run_id, str(count)], COLUMNS="80", **env)


def test_a_session_is_left_and_gone_on_with_and_says_the_result_at_its_end(tmp_path: Path) -> None:
    run_id = keep(tmp_path, a_run(ANA, [GENERIC], 12))
    whole = BlindTest(RunArchive(tmp_path).load(run_id), 0).open(8)
    with session(tmp_path, run_id, 8, NO_COLOR="1") as terminal:
        for number, keys in ((1, "A"), (2, "?"), (3, "xr")):  # x is no key of ours
            terminal.read_until(rf"{number} of 8\r\n(?s:.*)q leave: ")
            terminal.type(keys)
        terminal.read_until(r"3 of 8\r\n(?s:.*)q leave: ")  # the remembered one does not count
        terminal.type("\x1b[A")  # an arrow is no A
        terminal.type("q")
        terminal.read_until("the same command goes on")
        assert terminal.process.wait() == 3
        assert "right in" not in terminal.output
    said = RunArchive(tmp_path).load(run_id).blind
    assert [each.burst for each in said] == ids(whole[:3])
    assert [each.said for each in said] == [whole[0].choice("a").said, "no_idea", "remembered"]
    with session(tmp_path, run_id, 8) as terminal:
        for number in range(3, 9):
            terminal.read_until(rf"{number} of 8\b(?s:.*)q leave: ")
            assert "right in" not in terminal.output
            terminal.type("b")
        terminal.read_until(r"You were right in \d of 8")
        assert terminal.process.wait() == 0
    run = RunArchive(tmp_path).load(run_id)
    assert len({each.burst for each in run.blind}) == len(run.blind) == 9
    with session(tmp_path, run_id, 8) as terminal:  # nothing is left to ask
        terminal.read_until(r"You were right in \d of 8")
        assert terminal.process.wait() == 0
        assert "q leave" not in terminal.output


@pytest.mark.parametrize(("before", "is_twice"), [(20, True), (19, False)])
def test_a_test_that_was_made_longer_says_that_one_looked_twice(tmp_path: Path, before: int, is_twice: bool) -> None:
    run_id = keep(tmp_path, a_run(ANA, [GENERIC], 30))
    with RunArchive(tmp_path).resume(run_id) as file:
        for item in BlindTest(file.run, 0).open(before):
            file.add_choice(item.choice("a"))
    with session(tmp_path, run_id, before + 1) as terminal:
        terminal.read_until("q leave: ")
        terminal.type("a")
        terminal.read_until(rf"You were right in \d+ of {before + 1}")
        terminal.process.wait()
        terminal.read_until(r"\.\s*\Z")
        assert ("you looked twice" in " ".join(terminal.output.split())) is is_twice


HOSTILE = "\x1b]0;owned\x07\x1b[2Jred\u202egnp.exe\x9b31m " + "long " * 60 + "界" * 100


def test_hostile_words_and_long_ones_do_no_harm_to_the_terminal(tmp_path: Path) -> None:
    run = a_run(ANA, [GENERIC], 3)
    for at in range(3):
        put(run, at, (HOSTILE, "second\nof two lines"), ("hello " + HOSTILE,), asked=(HOSTILE,), before=(("contact", HOSTILE),))
    run.materials[CONTACT.id] = run.materials[CONTACT.id].model_copy(update={"name": "An\x1b[31ma"})
    with session(tmp_path, keep(tmp_path, run), 3, NO_COLOR="1") as terminal:
        terminal.read_until("q leave: ")
        assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", terminal.output)
        lines = terminal.output.replace("\r", "").split("\n")
        assert max(map(cell_len, lines)) <= 80
        assert lines.count("- second") == 1  # messages are told from lines
        assert "  of two lines" in lines
        terminal.type("\x04")  # Ctrl-D leaves
        terminal.read_until("the same command")
        assert terminal.process.wait() == 3


def test_colours_only_where_they_are_wanted(tmp_path: Path) -> None:
    run_id = keep(tmp_path, a_run(ANA, [GENERIC], 3))
    for env, is_styled in (({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({}, True)):
        with session(tmp_path, run_id, 3, **env) as terminal:
            terminal.read_until("q leave: ")
            assert ("\x1b[" in terminal.output) is is_styled
            terminal.type("q")
            terminal.process.wait()


def test_ctrl_c_leaves_and_the_terminal_is_as_it_was(tmp_path: Path) -> None:
    run_id = keep(tmp_path, a_run(ANA, [GENERIC], 3))
    program = f"{sys.executable} {PROGRAM} {tmp_path} {run_id} 3; stty -a; echo over"
    with Terminal(["sh", "-c", f"trap : INT; {program}"], controls=True) as terminal:
        terminal.read_until("q leave: ")
        terminal.type("\x03")
        assert terminal.read_until(r"(?s:.*) (-?icanon)\b(?s:.*) (-?echo)\b(?s:.*)over").groups() == ("icanon", "echo")
    assert RunArchive(tmp_path).load(run_id).blind == []


def test_it_wants_a_terminal(tmp_path: Path) -> None:
    run_id = keep(tmp_path, a_run(ANA, [GENERIC], 3))
    with Terminal(f"{sys.executable} {PROGRAM} {tmp_path} {run_id} 3 | cat") as terminal:
        terminal.read_until("--blind needs a terminal")
    with Terminal(f"echo a | {sys.executable} {PROGRAM} {tmp_path} {run_id} 3") as terminal:
        terminal.read_until("--blind needs a terminal")
    assert RunArchive(tmp_path).load(run_id).blind == []
