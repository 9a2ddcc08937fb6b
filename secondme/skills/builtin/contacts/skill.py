"""Cards of the address book (vCard 3.0 and 4.0, RFC 6350). The gateway decides who sees which; it runs `cards` to read the files."""

import re

SOURCE = "address book"
MOST = 10
TAIL = 7
"""Digits that a number has in common with itself however it is written."""
ONE = {"FN": "name", "NICKNAME": "nickname", "ORG": "organization", "TITLE": "title", "BDAY": "birthday"}
MANY = {"TEL": "phones", "EMAIL": "emails", "ADR": "addresses"}


def card(given, ask):
    found = _asked(ask)
    if not found["cards"] and not found["known"]:
        raise SkillError("no_card", "There is no card of this contact.")
    return {"data": found, "as_of": ask.now.isoformat(), "source": SOURCE}


def find(given, ask):
    return {"data": _asked(ask, find=given["name"]), "as_of": ask.now.isoformat(), "source": SOURCE}


def _asked(ask, **words):
    try:
        return ask("contacts", **words)
    except AskError as error:
        raise SkillError("failed", f"The address book cannot be read ({error.code}).") from None


def cards(given, ask):
    """For the gateway: the cards that have one of `numbers`, or all of `words` in their names."""
    text = "".join(ask("text", part=at) for at in range(given["parts"]))
    found = []
    for each in re.split(r"(?im)^begin:vcard[ \t]*\r?$", text)[1:]:
        one = _card(each)
        if _is_wanted(one, given):
            found.append(one)
        if len(found) == MOST:
            break
    return found


def _is_wanted(one, given):
    if "numbers" in given:
        return any(_tail(phone) and _tail(phone) == _tail(number) for phone in one["phones"] for number in given["numbers"])
    names = " ".join(one.get(key, "") for key in ("name", "nickname", "organization")).casefold()
    return all(word in names for word in given["words"])


def _tail(phone):
    """The gateway compares the whole numbers."""
    figures = re.sub(r"[^0-9]", "", phone)
    return figures[-TAIL:] if len(figures) >= TAIL else ""


def _card(text):
    found = {name: [] for name in MANY.values()}
    for line in re.sub(r"\r?\n[ \t]", "", text).splitlines():
        head, _, value = line.partition(":")
        name = head.partition(";")[0].rpartition(".")[2].upper()
        if name == "END":
            break
        if name in ONE and value:
            found.setdefault(ONE[name], _plain(value))
        elif name in MANY and value and len(found[MANY[name]]) < 8:
            found[MANY[name]].append(_plain(value.removeprefix("tel:")))
    return found


def _plain(value):
    """Without the escapes; parts of one value are told apart by commas."""
    parts = (part for part in re.split(r"(?<!\\);", value[:1000]) if part)
    unescaped = re.sub(r"\\([\\,;nN])", lambda each: " " if each[1] in "nN" else each[1], ", ".join(parts))
    return " ".join(unescaped.split())[:200]
