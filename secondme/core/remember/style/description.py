"""A style profile in words: a dozen lines at most, each a habit with its number, also the habits somebody does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.remember.style.measure import listed

if TYPE_CHECKING:
    from secondme.core.remember.style.profile import StyleProfile

_BRIEF, _MODERATE = 50, 100
_RARELY, _OCCASIONALLY = 0.2, 0.8
_CASUAL, _SEMI_FORMAL = 0.5, 0.66
_HARDLY, _SOMETIMES, _MOSTLY, _NEARLY_ALL = 0.05, 0.2, 0.5, 0.9
_SPLITS = 1.5
_SEVERAL = 1.75
"""Emoji to a message with any from which on they come in rows."""
_EVEN = 2
"""Characters between the short and the long that are no spread."""
_MANY = 50
"""Messages from which on a share is told in hundredths; below, in tenths."""
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
        f"The tone is {_band(profile.formality, _CASUAL, _SEMI_FORMAL, 'casual', 'semi-formal', 'formal')}.",
        _case(profile),
        _marks(profile),
        _apostrophes(profile),
        _emoji(profile),
        _laughter(profile),
        _words("Greetings", profile.greetings),
        _words("Sign-offs", profile.sign_offs),
        _told_languages(profile),
    ]
    return "\n".join(line for line in lines if line)


def _band(value: float, low: float, high: float, *words: str) -> str:
    return words[0] if value < low else words[1] if value < high else words[2]


def _of(share: float, profile: StyleProfile, between: str = "of") -> str:
    """`12 of 100`; of a few messages `1 of 10`."""
    whole = _whole(profile)
    return f"{share * whole:.0f} {between} {whole}"


def _whole(profile: StyleProfile) -> int:
    return 100 if profile.sample_count >= _MANY else 10


def _is_rare(share: float, profile: StyleProfile) -> bool:
    """So seldom that it is told as what they do not do."""
    return share < _HARDLY or round(share * _whole(profile)) == 0


def _length(profile: StyleProfile) -> str:
    how = f"Messages are {_band(profile.mean_length, _BRIEF, _MODERATE, 'brief', 'moderate', 'long')}"
    if not profile.lengths:
        return f"{how}, typically {profile.median_length:.0f} characters."
    tenth, quarter, half, most, longest = profile.lengths
    if longest - tenth <= _EVEN:
        return f"{how}: nearly all have about {half:.0f} characters."
    return (
        f"{how}: half have at most {half:.0f} characters, a quarter at most {quarter:.0f}, one in ten at most {tenth:.0f};"
        f" a quarter have more than {most:.0f}, one in ten more than {longest:.0f}."
    )


def _splitting(profile: StyleProfile) -> str:
    if profile.messages_per_answer < _SPLITS:
        return "An answer is usually one message."
    return (
        f"An answer is usually split into several short messages: {profile.messages_per_answer:.1f} on average,"
        f" of about {profile.piece_length:.0f} characters each."
    )


def _case(profile: StyleProfile) -> str:
    lower, small = profile.lower_case_share, profile.small_start_share
    if lower > _NEARLY_ALL:
        return "Everything is written in lower case."
    if small is None:
        if profile.capital_share > _MOSTLY:
            return "Messages begin with a capital letter."
        return "Most is written in lower case." if lower > _MOSTLY else ""
    if _is_rare(small, profile):
        return f"Messages begin with a capital letter, with a small one {_of(small, profile, 'in')}."
    return f"A small letter begins {_of(small, profile)} messages; no capital letter at all is in {_of(lower, profile)}."


def _marks(profile: StyleProfile) -> str:
    habits = [
        _mark(profile, profile.period_share, "no full stop at the end", "a full stop at the end of", " messages"),
        _mark(profile, profile.exclamation_share, "no exclamation marks", "exclamation marks in"),
    ]
    if profile.comma_share is not None:
        habits.append(_mark(profile, profile.comma_share, "no commas", "commas in"))
    habits.append(_mark(profile, profile.question_share, "no question marks", "question marks in"))
    if not _is_rare(profile.ellipsis_share, profile):
        habits.append(f"an ellipsis in {_of(profile.ellipsis_share, profile)}")
    if profile.opening_mark_share is not None:
        used = profile.opening_mark_share > _MOSTLY
        habits.append("¿ and ¡ open a question or exclamation" if used else "¿ and ¡ are left out")
    return f"Punctuation: {'; '.join(habits)}."


def _mark(profile: StyleProfile, share: float, none: str, some: str, of_what: str = "") -> str:
    if _is_rare(share, profile):
        return f"{none} ({_of(share, profile, 'in')}{of_what})"
    return f"{some} {_of(share, profile)}{of_what}"


def _apostrophes(profile: StyleProfile) -> str:
    if profile.bare_share is None or profile.apostrophe_share is None:
        return ""
    example = listed("bare", "en" if "en" in profile.languages or "fr" not in profile.languages else "fr")[0]
    if profile.bare_share > _NEARLY_ALL:
        return f"Apostrophes are left out ({example})."
    kind = "" if profile.curly_share is None else "curly (’)" if profile.curly_share > _MOSTLY else "straight (')"  # noqa: RUF001  it is meant
    told = f"Apostrophes are {kind or 'written'}, in {_of(profile.apostrophe_share, profile)} messages"
    if _is_rare(profile.bare_share, profile):
        return f"{told}."
    return f"{told}; they are left out ({example}) in {_of(profile.bare_share, profile)} places."


def _emoji(profile: StyleProfile) -> str:
    favourites = " ".join(profile.favourite_emoji)
    mostly = f", mostly {favourites}" if favourites else ""
    share = profile.emoji_share
    if share is None:
        how = _band(profile.emoji_per_message, _RARELY, _OCCASIONALLY, "rarely", "occasionally", "often")
        return f"Emoji are used {how}{mostly}."
    if _is_rare(share, profile):
        return f"No emoji ({_of(share, profile, 'in')} messages){mostly}."
    several = f", {profile.emoji_per_message / share:.0f} at a time" if profile.emoji_per_message >= _SEVERAL * share else ""
    return f"Emoji are in {_of(share, profile)} messages{several}{mostly}."


def _laughter(profile: StyleProfile) -> str:
    share = profile.laughter_share
    if share is None:
        return ""
    if not profile.laughter or round(share * 100) == 0:
        return f"Laughter is not written out ({_of(share, profile, 'in')} messages)."
    return f"Laughter is written {' or '.join(profile.laughter[:2])}, in {_of(share, profile)} messages."


def _words(what: str, words: tuple[str, ...]) -> str:
    return f"{what}: {', '.join(words[:_SHOWN])}." if words else ""


def _told_languages(profile: StyleProfile) -> str:
    if not profile.languages:
        return ""
    shares = [f"{_NAMES.get(code, code)} {share:.0%}" for code, share in list(profile.languages.items())[:_SHOWN]]
    return f"Languages: {', '.join(shares)}."
