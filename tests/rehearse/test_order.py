"""Exports that know only minutes: the owner's answers keep the order of the file, and none is mixed with another."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as some

from secondme.core.clock import from_ms
from secondme.core.exports.importer import ImportOptions
from secondme.core.exports.single_chat import read_chat
from secondme.core.ids import ContactId
from secondme.core.messages import Speaker
from secondme.core.rehearse.past import Past, PastMessage

ANA = ContactId("local:ana")
START = datetime(2026, 10, 1, 10, tzinfo=UTC)


def export(seed: int, exchanges: int) -> tuple[str, list[list[str]]]:
    """An Android chat, and the owner's answers in it: pieces of one minute, and several answers of one minute."""
    chance, at, lines, answers = Random(seed), START, [], []
    for number in range(exchanges):
        at += timedelta(minutes=chance.choice([0, 0, 1, 3, 90]))
        stamp = f"{at:%d/%m/%Y, %H:%M}"
        lines += [f"{stamp} - Ana: question {number} {part}" for part in range(chance.randint(1, 3))]
        pieces = [f"piece {part} of {number}" for part in range(chance.randint(1, 5))]
        lines += [f"{stamp} - Sam: {piece}" for piece in pieces]
        answers.append(pieces)
    return "\n".join(lines), answers


@given(seed=some.integers(0, 10**6), exchanges=some.integers(2, 40))
@trying(max_examples=40)
async def test_answers_keep_the_order_of_the_file(tmp_path_factory: object, seed: int, exchanges: int) -> None:
    text, answers = export(seed, exchanges)
    path = tmp_path_factory.mktemp("chat") / "WhatsApp Chat with Ana.txt"  # type: ignore[attr-defined]
    assert isinstance(path, Path)
    path.write_text(text, "utf-8")
    options = ImportOptions(zone=UTC, now=START + timedelta(days=60), me="Sam")
    chat = await read_chat(path, options, otherwise=ANA)
    assert chat.other == "Ana"
    past = Past([ANA], [PastMessage(ANA, each.id, from_ms(each.at_ms), Speaker(each.speaker), each.text) for each in chat.messages])
    assert [[piece.text for piece in answer.messages] for answer in past.answers] == answers
