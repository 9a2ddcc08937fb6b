"""Notes. Which ones there are for whom the gateway knows; here they are only told."""

MOST = 5000
"""Characters of one note: more would be cut on the way to the model."""


def search(given, ask):
    found = _asked(ask, find=given["words"])
    text = "\n".join(f"{each['name']}: {each['line']}" for each in found) or "No note has any of these words."
    return {"text": text, "data": [each["name"] for each in found], "as_of": ask.now.isoformat(), "source": "notes"}


def read(given, ask):
    note = _asked(ask, name=given["name"])
    text = note["text"]
    return {"text": text[:MOST], "cut": len(text) > MOST, "as_of": ask.now.isoformat(), "source": note["name"]}


def _asked(ask, **words):
    try:
        return ask("notes", **words)
    except AskError as error:
        code = error.code if error.code in {"no_such_note", "not_set_up"} else "failed"
        raise SkillError(code, f"The notes cannot be read ({error.code}).") from None
