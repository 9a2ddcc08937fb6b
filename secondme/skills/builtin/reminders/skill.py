"""Reminders. The gateway keeps them; here they are only told, and asked for."""

SOURCE = "reminders"


def list(given, ask):  # noqa: A001  the tool is called so
    found = _asked(ask, "reminders")
    text = "\n".join(f"{each['when']}: {each['text']}" for each in found) or "There are none."
    return {"text": text, "data": found, "as_of": ask.now.isoformat(), "source": SOURCE}


def set(given, ask):  # noqa: A001  as above
    done = _asked(ask, "remind", when=given["when"].replace("T", " "), text=given["text"])
    return {"text": f"The reminder is made: {done['when']}.", "data": done, "as_of": ask.now.isoformat(), "source": SOURCE}


def _asked(ask, operation, **words):
    try:
        return ask(operation, **words)
    except AskError as error:
        code = error.code if error.code in {"past", "bad_time", "no_words", "too_far", "not_allowed"} else "failed"
        raise SkillError(code, f"The reminders cannot be reached ({error.code}).") from None
