"""Memory: the gateway finds what was said; here it is told."""


def search(given, ask):
    try:
        found = ask("memory", find=given["words"])
    except AskError as error:
        raise SkillError(error.code, f"The memory cannot be read ({error.code}).") from None
    text = "\n".join(f"{each['on']}, {each['who']}: {each['said']}" for each in found) or "Nothing like that was said."
    return {"text": text, "as_of": ask.now.isoformat(), "source": "memory"}
