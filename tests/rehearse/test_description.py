"""What a description of an owner carries: somebody who does just what it says is found less often than with the one there was before.

The owners are invented, with habits of known rates; the other writer's text is what a model writes by itself. Both say the same things, so
that nothing but habits tells them apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp, log
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING

import pytest
from rehearse.obedient import obey

from secondme.core.records import OwnMessage
from secondme.core.rehearse.judge import judge
from secondme.core.remember.style import describe, profile_of

if TYPE_CHECKING:
    from secondme.core.remember.style import StyleProfile

PAST, ANSWERS = 150, 40
_OPENINGS = """That sounds wonderful!|Oh, I love that idea!|Thanks so much for letting me know!|Absolutely, I'm happy to help.|Good question!|I totally
get that.|Wow, that's great news!|No worries at all!|Hey, it's good to hear from you!|I'm sorry you're going through that.|Sure thing!|That's a fair
point.|I can't wait!|Oh no, that's a pity.|Yes, definitely!|It's been quite a week.|Fair enough.|I hadn't thought of that."""
_MIDDLES = """I'm free on Saturday afternoon, so we could meet at the station.|I've been meaning to try that place, and they don't take bookings.|We
should plan something soon, because the summer won't last.|I'll check my calendar and get back to you.|The kids are still at practice, but they'll be
done by six.|I finished the report this morning, and it's finally off my desk.|You're going to enjoy the new exhibition, it's really well done.|My
brother is visiting, so the flat is a bit of a mess.|I don't mind driving if you'd rather have a drink.|The weather hasn't been kind, but we went for a
walk anyway.|Work has been busy, and I'm looking forward to the weekend.|I tried the recipe you sent, and it turned out better than I expected.|I left the
keys with the neighbour, just in case.|It's only a short walk from the bus stop, you can't miss it.|We watched that film last night, and I didn't like the
ending.|I'm still waiting for the plumber, who said he'd be here at nine.|The train was late again, so I missed the start.|I'd bring a jacket, since it gets
cold by the water.|She's feeling much better, thank you for asking.|I haven't decided yet, but I'm leaning towards the blue one."""
_ENDINGS = """What do you think?|Does that work for you?|Let me know!|Looking forward to it!|How about you?|Have you been there before?|I'll keep you
posted.|Take your time.|That would make my day!|It's going to be fun.||||||"""


def neutral(count: int, rng: Random) -> list[str]:
    """What a model writes when nobody tells it how."""
    openings, middles, endings = (text.replace("\n", " ").split("|") for text in (_OPENINGS, _MIDDLES, _ENDINGS))
    made = []
    for _ in range(count):
        parts = [rng.choice(openings), rng.choice(middles), rng.choice(endings)]
        rng.shuffle(parts[: rng.choice([1, 2])])
        made.append(" ".join(part for part in parts if part))
    return made


@dataclass(frozen=True)
class Habits:
    """Of 100 messages so many; `half` is the length that half of them have at most, `spread` by which factor one in six goes beyond it."""

    half: float
    spread: float
    small: int
    all_small: int
    stops: int
    exclaims: int
    commas: int
    bare: int
    laughter: str
    laughs: int
    emoji: str
    smiles: int
    is_curly: bool = False

    def write(self, texts: list[str], rng: Random) -> list[str]:
        return [self._one(text, rng) for text in texts]

    def _one(self, text: str, rng: Random) -> str:
        def does(share: float) -> bool:
            return rng.random() * 100 < share

        wanted = exp(rng.gauss(log(self.half), log(self.spread)))
        words, said = text.split(), ""
        while words and len(said) < wanted:
            said = f"{said} {words.pop(0)}".strip()
        said = said.rstrip(",;:.!")
        said = said if does(2 * self.commas) else said.replace(",", "")
        said = said.replace("!", "")
        if not said.endswith("?"):
            said += "!" if does(self.exclaims) else "." if does(self.stops) else ""
        if does(self.bare):
            said = re.sub(r"(?<=\w)'(?=\w)", "", said)
        said = said.replace("'", "’") if self.is_curly else said  # noqa: RUF001  the curly one
        said = said.lower() if does(self.all_small) else said[:1].lower() + said[1:] if does(self.small) else said
        if does(self.laughs):
            said = rng.choice([f"{self.laughter} {said}", f"{said} {self.laughter}"])
        return f"{said} {self.emoji}" if does(self.smiles) else said


OWNERS = {
    "hasty": Habits(14, 2.0, 90, 70, 3, 1, 4, 95, "lol", 14, "😂", 4),
    "mixed": Habits(30, 2.2, 35, 20, 10, 4, 14, 30, "haha", 10, "🙏", 12),
    "careful": Habits(60, 1.8, 3, 1, 85, 3, 40, 0, "", 0, "🙂", 0, is_curly=True),
    "cheerful": Habits(24, 2.0, 20, 10, 8, 30, 12, 0, "hehe", 18, "❤️", 35),
    "dry": Habits(20, 2.4, 45, 30, 30, 0, 8, 50, "", 0, "🙂", 0),
    "laughing": Habits(18, 1.9, 60, 45, 4, 6, 6, 70, "xd", 25, "😅", 10),
}


def described_before(profile: StyleProfile) -> str:
    """How a profile was told until its spread and its rates were: kept as it was, to compare with."""
    how = "brief" if profile.mean_length < 50 else "moderate" if profile.mean_length < 100 else "long"
    often = "rarely" if profile.emoji_per_message < 0.2 else "occasionally" if profile.emoji_per_message < 0.8 else "often"
    mostly = f", mostly {' '.join(profile.favourite_emoji)}" if profile.favourite_emoji else ""
    lines = [f"Messages are {how}, typically {profile.median_length:.0f} characters.", f"Emoji are used {often}{mostly}."]
    if profile.lower_case_share > 0.5:
        lines.append("Everything is written in lower case.")
    elif profile.capital_share > 0.5:
        lines.append("Messages begin with a capital letter.")
    if profile.period_share > 0.5:
        lines.append("Punctuation: messages end with a full stop.")
    elif profile.period_share < 0.15:
        lines.append("Punctuation: messages do not end with a full stop.")
    return "\n".join(lines)


def profile(texts: list[str]) -> StyleProfile:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    own = [OwnMessage(id=f"{at:04}", at=start + timedelta(minutes=at), text=text) for at, text in enumerate(texts)]
    found = profile_of(own)
    assert found is not None
    return found


def found_out(habits: Habits, seed: int) -> tuple[float, float, float]:
    """How often the judge is right about a writer who was told nothing, what was told before, and what is told now."""
    rng = Random(seed)
    past, real = (habits.write(neutral(count, rng), rng) for count in (PAST, ANSWERS))
    known = profile(past)
    shares = [
        judge(past, real, obey(told, neutral(ANSWERS, rng), rng), seed=seed).share
        for told in ("", described_before(known), describe(known))
    ]
    return shares[0], shares[1], shares[2]


@pytest.mark.parametrize("name", OWNERS)
def test_who_does_what_the_description_says_is_found_less_often_than_before(name: str) -> None:
    runs = [found_out(OWNERS[name], seed) for seed in range(3)]
    nothing, before, now = (fmean(run[at] for run in runs) for at in range(3))
    print(f"\n{name}: judge right {nothing:.2f} told nothing, {before:.2f} as before, {now:.2f} now")
    assert now < before <= nothing + 0.02
    assert now < before - 0.03


def test_an_obedient_writer_who_is_told_nothing_changes_nothing() -> None:
    texts = neutral(50, Random(1))
    assert obey("", texts, Random(2)) == texts


@pytest.mark.parametrize("name", OWNERS)
def test_what_is_told_is_done(name: str) -> None:
    """The rates of the obedient writer's own text are those of the owner: the writer reads the words, and the words say the rates."""
    rng = Random(7)
    known = profile(OWNERS[name].write(neutral(400, rng), rng))
    bent = profile(obey(describe(known), neutral(400, rng), rng))
    for field in ("period_share", "exclamation_share", "laughter_share", "emoji_share", "lower_case_share"):
        assert getattr(bent, field) == pytest.approx(getattr(known, field), abs=0.08), field
    assert bent.laughter[:1] == known.laughter[:1]
    assert bent.lengths[2] == pytest.approx(known.lengths[2], rel=0.35, abs=4)
