"""Invented people who write, at known rates, and machines that write in their place. No real chat is shipped."""

from dataclasses import dataclass, replace
from random import Random

COMMON = [
    "yes",
    "no",
    "maybe",
    "later",
    "today",
    "tomorrow",
    "home",
    "work",
    "dinner",
    "train",
    "late",
    "soon",
    "call",
    "see",
    "you",
    "there",
    "good",
    "fine",
    "thanks",
    "right",
    "ask",
    "them",
    "well",
    "then",
    "money",
    "week",
    "house",
    "tickets",
    "friend",
    "car",
    "rain",
    "sleep",
    "game",
    "door",
    "time",
    "back",
    "out",
    "never",
    "always",
    "again",
    "idea",
    "really",
    "think",
    "know",
    "want",
    "need",
]
FORMAL = [
    "certainly",
    "absolutely",
    "wonderful",
    "opportunity",
    "appreciate",
    "considering",
    "additionally",
    "perhaps",
    "delightful",
    "experience",
    "however",
    "definitely",
    "looking",
    "forward",
    "exciting",
    "journey",
    "sounds",
    "great",
    "amazing",
    "understand",
    "feelings",
    "completely",
    "important",
    "remember",
    "enjoy",
    "moment",
    "share",
]


@dataclass(frozen=True)
class Writer:
    """Rates are of answers, 0 to 1."""

    words: tuple[str, ...]
    """Own vocabulary, taken in every third word."""
    length: float = 6
    comma: float = 0.1
    laughter: str = "jaja"
    laughs: float = 0.2
    emoji: str = "😂"
    emojis: float = 0.1
    small: float = 0.7
    stop: float = 0.05
    shout: float = 0.05
    split: float = 0.2

    def write(self, rng: Random) -> str:
        """One answer, its messages on lines of their own."""
        lines = [self._line(rng)]
        while rng.random() < self.split and len(lines) < 4:
            lines.append(self._line(rng))
        return "\n".join(lines)

    def _line(self, rng: Random) -> str:
        count = max(1, round(rng.lognormvariate(0, 0.5) * self.length))
        words = [rng.choice(self.words if rng.random() < 0.34 else COMMON) for _ in range(count)]
        if count > 2 and rng.random() < self.comma:
            words[count // 2] += ","
        text = " ".join(words)
        if rng.random() >= self.small:
            text = text[0].upper() + text[1:]
        if rng.random() < self.laughs:
            text = f"{self.laughter} {text}" if rng.random() < 0.5 else f"{text} {self.laughter}"
        draw = rng.random()
        text += "." if draw < self.stop else "!" if draw < self.stop + self.shout else ""
        return f"{text} {self.emoji}" if rng.random() < self.emojis else text


ANA = Writer(("tía", "porfa", "vale", "venga", "luego", "guay", "finde", "peli"), split=0.3)
BEN = Writer(
    ("mate", "cheers", "pub", "bloody", "sorted", "proper", "reckon", "innit"), 11, 0.4, "haha", 0.1, "👍", 0.3, 0.2, 0.4, 0.1, 0.1
)
NOA = Writer(("שלום", "כן", "בסדר", "מחר", "אולי", "בוא"), 4, 0.05, "חחח", 0.3, "❤️", 0.4, 1.0, 0.0, 0.2, 0.4)
IVO = Writer(("spritzer", "vrijeme", "dobro", "hajde", "brate", "kava"), 8, 0.25, "hehe", 0.15, "🙂", 0.05, 0.4, 0.2, 0.02, 0.15)
OWNERS = {"ana": ANA, "ben": BEN, "noa": NOA, "ivo": IVO}

GENERIC = Writer(tuple(FORMAL), 18, 0.9, "haha", 0.02, "😊", 0.5, 0.0, 0.6, 0.4, 0.0)
"""A language model without instructions."""


def surface_fixed(owner: Writer) -> Writer:
    """A language model's words, in the owner's lengths, small letters and marks."""
    return replace(
        GENERIC, length=owner.length, small=owner.small, stop=owner.stop, shout=owner.shout, split=owner.split, emojis=owner.emojis
    )


def some(writer: Writer, count: int, seed: int) -> list[str]:
    rng = Random(seed)
    return [writer.write(rng) for _ in range(count)]
