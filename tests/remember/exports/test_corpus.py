"""Of what WhatsApp says itself nothing is learnt as a person's words, in any language, with its marks or without; and no line is lost."""

from pathlib import Path

import pytest
from remember.exports.chats import read
from remember.exports.corpus import LANGUAGES, OTHER, OWNER, chat


@pytest.mark.parametrize("platform", ["android", "marked", "stripped"])
@pytest.mark.parametrize("name", LANGUAGES)
def test_only_what_people_said_is_theirs(name: str, platform: str, tmp_path: Path) -> None:
    made = chat(LANGUAGES[name], platform)
    done = read(tmp_path, made.text)
    assert [(each.author, each.words) for each in done.messages if each.words] == made.said
    assert done.is_accounted_for
    assert (done.export.preamble, set(done.export.chat.people), done.export.chat.is_group) == (0, {OWNER, OTHER}, False)


def test_there_are_fifteen_dialects_and_more() -> None:
    assert len(LANGUAGES) >= 15
