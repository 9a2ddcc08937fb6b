"""Our WordPiece against known numbers; and, where `tokenizers` is installed, against it on whatever Hypothesis thinks of."""

import hashlib
import importlib
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondme.core.files import packaged
from secondme.core.providers.wordpiece import token_ids

OLD_UNICODE = "\u0000\ufffd"
"""What every text is without before it is compared; see `known`."""


def test_the_vocabulary_is_the_published_one() -> None:
    digest = hashlib.sha256(packaged("providers", "wordpieces.txt").encode()).hexdigest()
    assert digest == "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [101, 102]),
        ("Hello, world!", [101, 7592, 1010, 2088, 999, 102]),
        ("unaffable", [101, 14477, 20961, 3468, 102]),
        ("  Café\tCAFÉ\n", [101, 7668, 7668, 102]),
        ("東京", [101, 1879, 1755, 102]),
        ("x" * 101, [101, 100, 102]),
        ("[SEP]", [101, 1031, 19802, 1033, 102]),
        ("a\u200bb\x00c", [101, 5925, 102]),
    ],
)
def test_a_text_has_these_numbers(text: str, expected: list[int]) -> None:
    assert token_ids(text, 256) == expected


@given(st.text(), st.integers(2, 20))
def test_it_is_never_longer_than_asked_for(text: str, most: int) -> None:
    ids = token_ids(text, most)
    assert (ids[0], ids[-1]) == (101, 102)
    assert len(ids) <= most
    assert ids[:-1] == token_ids(text, 10_000)[: len(ids) - 1]


TEXTS = st.one_of(
    st.text(),
    st.text(alphabet=st.characters(max_codepoint=0x2FF)),
    st.lists(
        st.sampled_from(
            ["don't", "naïve", "日本語", "ΣΑΣ", "İstanbul", "co-op", "½", "$5", "สวัสดี", "한국어", "e\u0301", "x" * 120, "_", "#tag"]
        )
    ).map(" ".join),
)


@pytest.mark.skipif(importlib.util.find_spec("tokenizers") is None, reason="tokenizers is not installed: nox -s local-model")
@settings(max_examples=2000, deadline=None)
@given(TEXTS)
def test_it_is_the_tokenizer_that_the_model_was_trained_with(their: Any, text: str) -> None:
    """But for characters whose category has changed since, and for names of special tokens."""
    known = "".join(char for char in text if unicodedata.ucd_3_2_0.category(char) == unicodedata.category(char) != "Cn")
    assert token_ids(known, 10_000) == their.encode(known).ids


@pytest.fixture(scope="module")
def their() -> Any:
    tokenizers = pytest.importorskip("tokenizers", reason="nox -s local-model")
    path = Path(importlib.import_module("secondme.core.providers").__path__[0]) / "lists" / "wordpieces.txt"
    return tokenizers.BertWordPieceTokenizer(str(path), lowercase=True)
