"""The page for a friend: nothing in it tells which answer is whose, nothing of anybody else is in it, and its code says what was chosen."""

import base64
import hashlib
import os
import re
from pathlib import Path

import pytest
from fakes.browser import BINARY, Browser
from fakes.process import eventually
from fakes.size import sized
from hypothesis import given, settings
from hypothesis import strategies as st
from rehearse.html_page import Parsed
from rehearse.runs import ANA as CONTACT
from rehearse.runs import NOW, Contact, a_run
from rehearse.writers import ANA, GENERIC

from secondme.core.enums import Tier
from secondme.core.errors import DataError, NotFoundError, SecondmeError
from secondme.core.ids import ContactId
from secondme.core.records import ApprovedContact
from secondme.core.rehearse.archive import RehearsalRun
from secondme.core.rehearse.blind import pairs
from secondme.core.rehearse.friend_page import friend_page, read_friend_code

WHO = ContactId(CONTACT.id)
BEN = Contact("local:ben", "Ben CANARY-NAME")
SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHOICES = ("a", "b", "no_idea", "remembered")


def let_in(name: str = "Ana", tier: Tier = Tier.STANDARD, who: str = WHO) -> ApprovedContact:
    return ApprovedContact(contact_id=who, phone_number="", display_name=name, approved_at=NOW, approved_by="owner", tier=tier)


def page(run: RehearsalRun, count: int = 20, owner: str = "Mia", name: str = "Ana") -> str:
    return friend_page(run, WHO, let_in(name), name, owner=owner, count=count)


def order(run: RehearsalRun, count: int = 20) -> list[bool]:
    """Whose answer is A, pair by pair as they stand on the page."""
    items, _ = pairs(run, 0, contact=WHO, purpose="friend")
    return [item.is_a for item in sorted(items[:count], key=lambda item: (item.burst.at, item.burst.id))]


def code_of(html: str, choices: list[int]) -> str:
    """The page's script in Python."""
    bits = "".join(f"{each:02b}" for each in choices)
    bits += "0" * (-len(bits) % 5)
    tag = re.search(r'data-page="(\w{4})"', html)
    assert tag
    code = tag[1] + "".join(SIGNS[int(bits[at : at + 5], 2)] for at in range(0, len(bits), 5))
    check = sum((at + 1) * SIGNS.index(sign) for at, sign in enumerate(code)) % 1021
    return code + SIGNS[check >> 5] + SIGNS[check & 31]


def articles(html: str) -> list[str]:
    return re.findall("(?s)<article>.*?</article>", html)


def answers(article: str) -> list[str]:
    return re.findall("<div><h4>[AB]</h4>(.*?)</div>", article)


def test_only_the_sides_differ_from_seed_to_seed() -> None:
    """So nothing but the answers' places depends on the key, and these say nothing by themselves."""
    run = a_run(ANA, [GENERIC], 24)
    reals = ["".join(f'<p class="said" dir="auto">{text}</p>' for text in burst.real) for burst in run.bursts.values()]
    kept, is_first = set(), [0] * 24
    for seed in range(60):
        run.head = run.head.model_copy(update={"seed": seed})
        html = page(run, 24)
        both = [answers(article) for article in articles(html)]
        sides = [pair[0] == real for pair, real in zip(both, reals, strict=True)]
        assert sides == order(run, 24)
        is_first = [count + is_a for count, is_a in zip(is_first, sides, strict=True)]
        without = re.sub(r'(?s)<div><h4>[AB]</h4>.*?</div>|data-page="\w{4}"', "", html)
        kept.add((without, *(tuple(sorted(pair)) for pair in both)))
    assert len(kept) == 1
    assert all(12 < count < 48 for count in is_first)  # of 60: no place is the owner's


def test_the_sides_are_others_than_the_owner_sees_and_balanced() -> None:
    run = a_run(ANA, [GENERIC], 40)
    assert order(run, 40).count(True) == 20
    assert order(run, 20).count(True) == 10
    own = {item.burst.id: item.is_a for item in pairs(run, 0)[0]}
    theirs = {item.burst.id: item.is_a for item in pairs(run, 0, contact=WHO, purpose="friend")[0]}
    assert 5 < sum(own[each] == theirs[each] for each in own) < 35


def test_no_turn_before_a_pair_tells_another_pairs_answer() -> None:
    run = a_run(ANA, [GENERIC], 12)
    for at in range(1, 12):
        one, last = run.bursts[f"b{at}"], run.bursts[f"b{at - 1}"]
        before = (("contact", last.asked[0]), ("owner", f" {last.real[0].upper()}"), ("contact", f"after {at}"))
        run.bursts[one.id] = one.model_copy(update={"before": before})
    html = page(run)
    for article in articles(html)[1:]:
        context = article[: article.index('<div class="pair">')]
        assert "<bdi>Mia</bdi>:" not in context
    assert "after 11" in html
    assert html.casefold().count(f">{run.bursts['b3'].real[0]}<".casefold()) == 1


def test_nothing_of_anybody_else_is_in_it() -> None:
    run = a_run(ANA, [GENERIC, GENERIC], 40, contacts=(CONTACT, BEN))
    for at, burst in enumerate(run.bursts.values()):
        if burst.contact != WHO:
            words = (f"CANARY-{at} of ben",)
            run.bursts[burst.id] = burst.model_copy(update={"asked": words, "real": words, "before": (("owner", words[0]),)})
            run.answers[burst.id, 0] = run.answers[burst.id, 0].model_copy(update={"reply": words})
    for who, material in run.materials.items():
        run.materials[who] = material.model_copy(
            update={"past": ("CANARY past",), "others": ("CANARY o",), "contacts": ("CANARY c",)}
        )
    run.answers["b0", 0] = run.answers["b0", 0].model_copy(update={"outcome": "held", "reply": ("CANARY held",)})
    run.answers["b2", 1] = run.answers["b2", 1].model_copy(update={"reply": ("CANARY other variant",)})
    html = page(run, 100)
    assert len(articles(html)) == 19
    assert "CANARY" not in html
    for secret in (run.head.id, f"{run.head.seed}:", WHO, "persona0", "sonnet", "b12", "micros"):
        assert secret not in html


def test_it_says_first_what_it_is_and_fetches_nothing() -> None:
    html = page(a_run(ANA, [GENERIC], 24), owner="<b>Mia</b>\u202e")
    parsed = Parsed(html)
    said = parsed.said().split("Half of the answers", 1)
    assert said[0].strip() == "Which one is real?"  # the window's title
    assert "asks for your help" in said[1][:120]
    script = next(text for tag, text in parsed.texts if tag == "script")
    style = next(text for tag, text in parsed.texts if tag == "style")
    hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in (style, script)]
    policy = next(attrs["content"] for tag, attrs in parsed.elements if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; base-uri 'none'; form-action 'none'; script-src 'sha256-{hashes[1]}'"
    )
    assert [tag for tag, _ in parsed.elements].count("script") == 1
    assert not re.search(r"(?i)https?:|//|url\(|@import|javascript:|data:\w|fetch|cookie|localStorage|innerHTML", html)
    assert not {"form", "a", "img", "iframe", "b"} & {tag for tag, _ in parsed.elements}


@pytest.mark.parametrize(
    ("approved", "who", "typed", "code"),
    [
        (None, WHO, "Ana", "not_approved"),
        (let_in(tier=Tier.RESTRICTED), WHO, "Ana", "not_for_friends"),
        (let_in(who="49151-1@g.us"), "49151-1@g.us", "Ana", "not_for_friends"),
        (let_in(who="telegram:-100123"), "telegram:-100123", "Ana", "not_for_friends"),
        (let_in(), WHO, "Anna", "other_name"),
        (let_in(), WHO, "", "other_name"),
        (let_in(), WHO, "y", "other_name"),
        (let_in(who=BEN.id), BEN.id, "Ana", "too_few_pairs"),
    ],
)
def test_who_gets_no_page(approved: ApprovedContact | None, who: str, typed: str, code: str) -> None:
    run = a_run(ANA, [GENERIC], 30)
    with pytest.raises(SecondmeError) as refused:
        friend_page(run, ContactId(who), approved, typed, owner="Mia")
    assert refused.value.code == code
    assert isinstance(refused.value, NotFoundError if code == "not_approved" else DataError)


def test_the_name_may_be_typed_in_any_case() -> None:
    assert friend_page(a_run(ANA, [GENERIC], 10), WHO, let_in("Ána  María"), " ÁNA MARÍA", owner="Mia")


@settings(max_examples=sized(100, 25))
@given(data=st.data())
def test_a_code_is_read_as_it_was_chosen(data: st.DataObject) -> None:
    run = a_run(ANA, [GENERIC], 24)
    count = data.draw(st.integers(5, 24))
    choices = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    code = code_of(page(run, count), choices)
    typed = code.lower().replace("0", "o").replace("1", "l")
    summary = read_friend_code(run, WHO, "-".join(re.findall(".{1,4}", typed)) + " \n", count=count)
    sides = order(run, count)
    assert summary.right == sum((each == 0) is is_a for each, is_a in zip(choices, sides, strict=True) if each < 2)
    assert summary.no_idea == choices.count(2)
    assert (summary.remembered, summary.n) == (choices.count(3), count - choices.count(3))


def test_a_mistyped_code_and_one_of_another_page_are_refused() -> None:
    run = a_run(ANA, [GENERIC], 24)
    code = code_of(page(run), [0, 1, 2, 3, 1] * 4)
    refused = 0
    for at in range(len(code)):
        wrong = [code[:at] + sign + code[at + 1 :] for sign in SIGNS[:: sized(1, 4)] if sign != code[at]]
        if at and code[at - 1] != code[at]:
            wrong.append(code[: at - 1] + code[at] + code[at - 1] + code[at + 1 :])
        for each in wrong:
            with pytest.raises(DataError, match="mistyped"):
                read_friend_code(run, WHO, each)
            refused += 1
    assert refused > 90
    for junk in ("", "-", "AB", "U" * 14, "é" * 14, code[:-1], "x" * 10_000):
        with pytest.raises(DataError):
            read_friend_code(run, WHO, junk)
    other = a_run(ANA, [GENERIC], 24, seed=2)
    with pytest.raises(DataError) as found:
        read_friend_code(other, WHO, code)
    assert found.value.code == "other_page"


def test_the_result_says_whose_it_is() -> None:
    run = a_run(ANA, [GENERIC], 24)
    choices = [0 if is_a else 1 for is_a in order(run)]
    said = read_friend_code(run, WHO, code_of(page(run), choices)).text("Ana")
    assert said.startswith("Ana was right in 20 of 20. Chance is 10.")
    assert "Ana can tell the clone from you" in said


@pytest.mark.heavy
async def test_the_page_makes_the_code_in_a_browser(tmp_path: Path) -> None:
    if BINARY is None:
        said = "needs Chromium: apt-get install chromium"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    run = a_run(ANA, [GENERIC], 24)
    path = tmp_path / "ana.html"
    html = page(run)
    path.write_text(html, "utf-8")
    choices = [0, 1, 2, 3, 3, 1, 0] * 2 + [1, 2, 0, 0, 1, 1]
    async with Browser(tmp_path / "profile") as browser:
        await browser.be_a_phone(390, 800)
        await browser.call("Page.navigate", url=path.as_uri())
        output = "document.querySelector('output').textContent"
        await eventually(lambda: browser.evaluate(f"document.readyState === 'complete' && {output}"))
        assert await browser.evaluate(output) == "20 of 20 to go"
        assert await browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for number, choice in enumerate(choices, 1):
            await browser.tap(f"document.querySelector('input[name=pair{number}][value=\"{choice}\"]')")
        shown = await browser.evaluate(output)
        assert re.fullmatch(r"(\w{4}-)+\w{1,4}", shown)
        assert shown.replace("-", "") == code_of(html, choices)
        assert read_friend_code(run, WHO, shown).remembered == choices.count(3)
        await browser.tap("document.querySelector('input[name=pair1][value=\"1\"]')")  # another mind, another code
        assert await browser.evaluate(output) != shown
        assert set(browser.requests) == {path.as_uri()}
        assert browser.errors == []
