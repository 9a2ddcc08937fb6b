"""How is a model, or the owner, told of a style? A few plain lines of numbers and fixed words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secondme.core.remember.style.profile import StyleProfile

_BRIEF, _MODERATE = 50, 100
_RARELY, _OCCASIONALLY = 0.2, 0.8
_CASUAL, _SEMI_FORMAL = 0.3, 0.7
_OFTEN, _MOSTLY, _SELDOM = 0.2, 0.5, 0.15
_SPLITS = 1.5
_SHOWN = 3
_NAMES = {
    "ar": "Arabic", "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "fa": "Persian", "fr": "French", "he": "Hebrew",
    "hi": "Hindi", "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "ru": "Russian",
    "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip


def describe(profile: StyleProfile) -> str:
    """The profile in a few lines of English, each a habit. Holds nothing but numbers, emoji and words of fixed lists."""
    lines = [
        _length(profile),
        _splitting(profile),
        _emoji(profile),
        f"The tone is {_band(profile.formality, _CASUAL, _SEMI_FORMAL, 'casual', 'semi-formal', 'formal')}.",
        _case(profile),
        _marks(profile),
        _words("Greetings", profile.greetings),
        _words("Sign-offs", profile.sign_offs),
        _languages(profile),
    ]
    return "\n".join(line for line in lines if line)


def _band(value: float, low: float, high: float, *words: str) -> str:
    return words[0] if value < low else words[1] if value < high else words[2]


def _length(profile: StyleProfile) -> str:
    how = _band(profile.mean_length, _BRIEF, _MODERATE, "brief", "moderate", "long")
    return f"Messages are {how}, typically {profile.median_length:.0f} characters."


def _splitting(profile: StyleProfile) -> str:
    if profile.messages_per_answer < _SPLITS:
        return "An answer is usually one message."
    return (
        f"An answer is usually split into several short messages: {profile.messages_per_answer:.1f} on average,"
        f" of about {profile.piece_length:.0f} characters each."
    )


def _emoji(profile: StyleProfile) -> str:
    how = _band(profile.emoji_per_message, _RARELY, _OCCASIONALLY, "rarely", "occasionally", "often")
    favourites = " ".join(profile.favourite_emoji)
    return f"Emoji are used {how}" + (f", mostly {favourites}" if favourites else "") + "."


def _case(profile: StyleProfile) -> str:
    if profile.lower_case_share > _MOSTLY:
        return "Everything is written in lower case."
    if profile.capital_share > _MOSTLY:
        return "Messages begin with a capital letter."
    return ""


def _marks(profile: StyleProfile) -> str:
    habits = []
    if profile.period_share > _MOSTLY:
        habits.append("messages end with a full stop")
    elif profile.period_share < _SELDOM:
        habits.append("messages do not end with a full stop")
    if profile.ellipsis_share > _OFTEN:
        habits.append("an ellipsis is frequent")
    if profile.exclamation_share > _OFTEN:
        habits.append("exclamation marks are frequent")
    if profile.opening_mark_share is not None:
        used = profile.opening_mark_share > _MOSTLY
        habits.append("¿ and ¡ open a question or exclamation" if used else "¿ and ¡ are left out")
    return f"Punctuation: {'; '.join(habits)}." if habits else ""


def _words(what: str, words: tuple[str, ...]) -> str:
    return f"{what}: {', '.join(words[:_SHOWN])}." if words else ""


def _languages(profile: StyleProfile) -> str:
    if not profile.languages:
        return ""
    shares = [f"{_NAMES.get(code, code)} {share:.0%}" for code, share in list(profile.languages.items())[:_SHOWN]]
    return f"Languages: {', '.join(shares)}."
