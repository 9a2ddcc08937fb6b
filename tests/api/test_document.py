"""Does the OpenAPI document say what there is, and does the page say what the document says?"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes.process import command, environment

from secondme.core import errors
from secondme.core.api.app import document
from secondme.core.api.limits import Limits
from secondme.core.api.problems import BUG, NOT_FOUND, refusal_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "http-api.md"
DOCUMENT = document()
OPERATIONS = [(method.upper(), path, each) for path, methods in DOCUMENT["paths"].items() for method, each in methods.items()]


def test_the_page_lists_every_route_and_no_other() -> None:
    rows = re.findall(r"^\| `(GET|POST|PUT|PATCH|DELETE) ([^`]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted((method, path) for method, path, _ in OPERATIONS)


def test_the_page_names_the_limits_that_hold() -> None:
    page, limits = PAGE.read_text(), Limits()
    assert limits.body_bytes == 3 * 1024 * 1024
    for said in (
        "3 MB",
        f"{limits.json_depth} levels",
        f"{limits.connections} connections",
        f"{limits.streams} event streams",
        f"{limits.request_s:g} seconds",
        f"{limits.heartbeat_s:g} seconds",
        "5,000 events",
        f"{limits.wrong_tokens} wrong",
    ):
        assert said in page


def test_the_examples_of_the_page_call_routes_that_exist() -> None:
    known = [(method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path))) for method, path, _ in OPERATIONS]
    examples = re.findall(r"^curl (.*)http://[^/\s]+(/[^\s'\"]*)", PAGE.read_text(), re.MULTILINE)
    assert len(examples) >= 5
    for options, path in examples:
        method = match[1] if (match := re.search(r"-X (\w+)", options)) else "GET"
        assert any(method == wanted and pattern.fullmatch(path) for wanted, pattern in known), (method, path)


NAMING = {("POST", "/api/jobs"), ("POST", "/api/grants")}
"""What names a contact in its body."""


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_operation_documents_its_refusals_and_its_success(method: str, path: str, operation: dict[str, Any]) -> None:
    documented = set(operation["responses"])
    assert documented >= {"401", "403", "408", "413", "422", "429", "500", "503", "504"}
    assert ("404" in documented) == (
        (method, path) in NAMING
        or any(
            name in path
            for name in (
                "{contact}",
                "{channel}",
                "{draft}",
                "{name}",
                "{proposal}",
                "{run}",
                "{webhook}",
                "{job}",
                "{invite}",
                "/agent",
            )
        )
    )
    assert {"200", "201", "202"} & documented
    assert operation["description"]
    assert (operation.get("security") == []) == (path == "/health"), method


def test_field_names_are_in_camel_case() -> None:
    names = {name for shape in DOCUMENT["components"]["schemas"].values() for name in shape.get("properties", {})}
    assert [name for name in names if not re.fullmatch(r"[a-z][a-zA-Z]*", name)] == []


def test_the_command_prints_the_document_without_a_gateway(home: Path) -> None:
    printed = command(home, "api", "openapi")
    envelope = json.loads(command(home, "api", "openapi", "--json").stdout)
    assert (printed.returncode, printed.stderr) == (0, "")
    assert json.loads(printed.stdout) == envelope["data"]["document"] == json.loads(json.dumps(DOCUMENT))
    assert envelope["schema"] == "secondme.api.openapi/1"
    assert not home.joinpath("data").exists()


def test_every_cause_has_one_status() -> None:
    causes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.SecondmeError)]
    found = {each.__name__: refusal_of(each("a_code", "What happened.")).status for each in causes}
    assert found == {
        "SecondmeError": 500,
        "ConfigError": 500,
        "CredentialsError": 503,
        "UnavailableError": 503,
        "BusyError": 409,
        "NotFoundError": 404,
        "DataError": 422,
    }


def test_details_of_a_cause_are_said_only_where_they_help() -> None:
    assert refusal_of(errors.SecondmeError("x", "a secret")) is BUG
    assert refusal_of(errors.NotFoundError("unknown_contact", "local:ben is not here")) is NOT_FOUND
    assert refusal_of(errors.NotFoundError("contact_denied", "local:ben is denied")).code == "contact_denied"
    assert refusal_of(errors.UnavailableError("x", "y", retry_after_s=7.4)).headers == {"retry-after": "7"}
    assert refusal_of(errors.DataError("corrupt_record", "y")).status == 500


PROBE = """
import json, sys
from secondme.cli.main import program
try:
    program()
except SystemExit:
    pass
print(json.dumps([name for name in ("fastapi", "starlette", "uvicorn", "h11") if name in sys.modules]))
"""


@pytest.mark.parametrize("words", ["--help", "pairing list", "status", "api --help", "api token", "serve --help"])
def test_no_light_command_loads_the_web_framework(words: str, redis_url: str, home: Path) -> None:
    env = environment(SECONDME_REDIS_URL=redis_url, SECONDME_HOME=str(home), COVERAGE_PROCESS_CONFIG="")
    result = subprocess.run([sys.executable, "-c", PROBE, *words.split()], capture_output=True, text=True, env=env, check=True)
    assert json.loads(result.stdout.splitlines()[-1]) == []
