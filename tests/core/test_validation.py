"""What does not fit is said in our own words: for every setting and whatever somebody writes there, and never with the value itself."""

import re
from typing import Any

import pytest
from fakes.process import Cli
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr, ValidationError

from secondme.core.config.loader import known_names, load
from secondme.core.errors import ConfigError
from secondme.core.validation import complaint

LIBRARY = re.compile(
    r"pydantic|Input should|Value error|unable to|valid (number|integer|boolean|string|dictionary|list)|validation error|instance of|type=|ctx|input_value"
)
CANARY = "zqcanaryzq"
ODD: list[Any] = [
    CANARY,
    "",
    -1,
    10**30,
    1.5,
    float("inf"),
    float("nan"),
    True,
    [],
    ["x"],
    {},
    {"x": 1},
    [[1]],
    "\0",
    "x" * 5000,
    None,
]


def said_of(name: str, value: Any) -> str | None:
    """What is said of that value; None when it is taken."""
    try:
        load({name: value}, {}, home=None)
    except ConfigError as error:
        return f"{error.message} {error.fix}"
    return None


@pytest.fixture(autouse=True)
def home(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDME_HOME", str(tmp_path))


@pytest.mark.parametrize("name", sorted(known_names()))
def test_no_setting_speaks_with_the_words_of_a_library(name: str) -> None:
    for value in ODD:
        said = said_of(name, value)
        assert said is None or (not LIBRARY.search(said) and CANARY not in said and name.split(".", maxsplit=1)[0] in said), (
            value,
            said,
        )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("pacing.scale", "fast", "pacing.scale takes a number."),
        ("api.enabled", "maybe", "api.enabled takes true or false."),
        ("sleep.start", "late", "sleep.start takes a time of day like 22:30."),
        ("pairing.mode", "x", "pairing.mode takes owner or self_verify."),
        ("queue.slots", 0, "queue.slots takes at least 1."),
        ("queue.slots", 1.5, "queue.slots takes a whole number."),
        ("memory.weights.graph", 11, "memory.weights.graph takes at most 10.0."),
        ("persona.name", "x" * 65, "persona.name takes at most 64 characters."),
        ("persona.name", "", "persona.name takes at least 1 character."),
        ("persona.file", "../x.md", "persona.file: not the name of a file in the personas directory, like family.md."),
        ("redis_namespace", "{}", "redis_namespace does not have the form it takes."),
    ],
)
def test_a_setting_says_what_it_takes(name: str, value: Any, said: str) -> None:
    assert (said_of(name, value) or "").startswith(said)


class Everything(BaseModel):
    """A field of each kind there is in our models."""

    number: float = Field(1.0, gt=0, lt=5)
    whole: int = 1
    flag: bool = True
    words: list[str] = Field(default_factory=list, min_length=0, max_length=3)
    pairs: dict[str, int] = Field(default_factory=dict)
    inner: "Everything | None" = None
    text: str = Field("x", min_length=1, max_length=4)
    secret: SecretStr | None = None


@given(
    st.dictionaries(
        st.sampled_from([*Everything.model_fields, "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_whatever_is_sent_is_refused_in_our_words(sent: dict[str, Any]) -> None:
    try:
        Everything.model_validate(sent)
    except ValidationError as refused:
        for error in refused.errors():
            said = complaint("it", error)
            assert said.startswith(("it takes ", "it is ", "it contains ", "it does "))
            assert not LIBRARY.search(said)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("[persona]\nfile = '../x'\n", "secondme config unset persona.file"),
        ("[pacing]\nscale = 'fast'\n", "secondme config unset pacing.scale"),
        ("[qqqqqqqqqqq]\nzzzzzzzzz = 1\n", "secondme config unset qqqqqqqqqqq.zzzzzzzzz"),
        ("[memory.weights]\ngraph = 77\n", "secondme config unset memory.weights.graph"),
    ],
)
def test_a_setting_that_cannot_be_used_names_a_way_out_that_works(tmp_path: Any, cli: Cli, text: str, fix: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    assert f"Try: {fix}" in cli("status").stderr
    assert cli(*fix.split()[1:]).exit_code == 0
    assert cli("config", "show").exit_code == 0


def test_a_variable_that_cannot_be_used_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDME_PACING__SCALE", "fast")
    assert "Change or unset the variable SECONDME_PACING__SCALE." in cli("config", "show").stderr
