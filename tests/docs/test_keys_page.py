"""The reference of keys is what the register of keys says."""

import re

from fakes.kept import is_kept
from fakes.keys_page import keys_page

from secondme.core.store import keys


def test_the_page_is_kept() -> None:
    assert is_kept("reference/keys.md", keys_page())


def test_every_key_has_a_type_and_a_reason() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", keys_page(), re.MULTILINE)
    kept = [(name, words) for name, words in rows if not name.startswith("events:")]
    assert [name for name, words in kept if not re.match(r"(STREAM|ZSET|SET|STRING|HASH|LIST)\b", words)] == []
    functions = {name for name, each in vars(keys).items() if callable(each) and getattr(each, "__module__", "") == keys.__name__}
    assert len(kept) >= len(functions) > 20
