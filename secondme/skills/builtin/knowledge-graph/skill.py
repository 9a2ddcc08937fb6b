"""The knowledge graph: the gateway finds facts; here they are told."""


def facts(given, ask):
    try:
        found = ask("memory", facts=given.get("about", ""))
    except AskError as error:
        raise SkillError(error.code, f"The memory cannot be read ({error.code}).") from None
    lines = [f"{each['on']}, {each['who']} said: {each['said']} ({each['kind']}: {each['value']})" for each in found]
    return {"text": "\n".join(lines) or "No such fact is known.", "as_of": ask.now.isoformat(), "source": "memory"}
