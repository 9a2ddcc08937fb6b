"""Does anything that a caller may send reach a bug? Requests made from the OpenAPI document, against a real gateway over TCP."""

import asyncio
import json
import shutil
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
import schemathesis
from api.serving import populate
from fakes.messages_api import MessagesApi
from fakes.process import GatewayProcess, eventually, logged, settings_of, write_config
from fakes.size import sized
from fakes.wizard import GOOD_KEY, model_server
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from secondme.core.api.app import document
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.server import Role

AWKWARD = ["491512345678@c.us", "telegram:1", "a~b._+@:-", "...", "---", "99999999999999999999999999", "x" * 128]
KNOWN = ["local:anna", "local:ben", "local:cara", *AWKWARD]
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
EXAMPLES = sized(60, 8)
asked: set[str] = set()
seen: Counter[int] = Counter()

described = document()
del described["paths"]["/api/events"]  # an answer without an end; the events have tests of their own
del described["paths"]["/api/restart"]  # nobody answers while it is at it, and it has tests of its own
for part in (described, described["components"], described["paths"]["/health"]["get"]):
    for word in ("security", "securitySchemes"):  # else it would call with tokens of its own; the guard has tests of its own
        part.pop(word, None)
OPERATIONS = sum(map(len, described["paths"].values()))
schema = schemathesis.openapi.from_dict(described)


@pytest.fixture(scope="module")
def gateway() -> Iterator[tuple[int, str, Path]]:
    """A gateway with contacts in every state: its port, token and home. Afterwards it runs still, and wrote down no bug."""
    home = Path(mkdtemp(prefix="smh-", dir="/tmp"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    write_config(home, f'[api]\nlisten = "127.0.0.1:{port}"\n')
    with model_server() as model, GatewayProcess(home, **asking(model)) as process:
        token = settings_of(home).places.api_token
        asyncio.run(prepare(home, port))
        yield port, token.read_text().strip(), home
        assert process.process.poll() is None
        print(f"\n{sum(seen.values())} requests: {dict(sorted(seen.items()))}")
        assert logged(home, "api_failed") == []
        assert set(seen) <= {200, 201, 202, 404, 405, 409, 415, 422}
        # of one worker's share of the operations, a part may never be answered with each
        assert len(asked) < OPERATIONS or min(seen[status] for status in (200, 201, 404, 422)) > EXAMPLES / 3
    shutil.rmtree(home, ignore_errors=True)


def asking(model: MessagesApi) -> dict[str, str]:
    """The settings of a clone that answers programs."""
    return {"SECONDME_MODEL__API_KEY": GOOD_KEY, "SECONDME_MODEL__BASE_URL": model.url}


async def prepare(home: Path, port: int) -> None:
    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    await eventually(listens)
    setup = settings_of(home)
    async with Store(setup, Role.ATTACH) as store:
        await populate(setup, store)
        for number, contact in enumerate(AWKWARD):
            record = {"contactId": contact, "phoneNumber": contact, "displayName": f"\x1b{number}", "channelId": "local"}
            states = [
                (keys.approved, keys.INDEX_APPROVED, {"approvedAt": 1, "approvedBy": "test", "tier": "standard"}, 1),
                (
                    keys.denied,
                    keys.INDEX_DENIED,
                    {"deniedAt": 1, "deniedBy": "test", "expiresAt": 9_999_999_999_999},
                    9_999_999_999_999,
                ),
                (
                    keys.pending,
                    keys.INDEX_PENDING,
                    {"code": f"00000{number}", "status": "pending", "requestedAt": 1, "expiresAt": 9_999_999_999_999},
                    9_999_999_999_999,
                ),
            ]
            key, index, fields, score = states[number % 3]
            await store.client.set(key(contact), json.dumps({**record, **fields}))
            await store.client.zadd(index, {contact: score})
            if "code" in fields:
                await store.client.set(keys.code(str(fields["code"])), contact)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_reaches_a_bug_or_an_answer_that_is_not_documented(
    case: schemathesis.Case, gateway: tuple[int, str, Path]
) -> None:
    port, token, _ = gateway
    if "contact" in (case.path_parameters or {}):
        wanted = str(case.path_parameters["contact"])
        chosen = sum(wanted.encode("utf-8", "replace")) % (2 * len(KNOWN))
        if chosen < len(KNOWN):
            case.path_parameters["contact"] = KNOWN[chosen]
    answer = case.call(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"})
    seen[answer.status_code] += 1
    asked.add(case.operation.label)
    case.validate_response(answer, checks=list(CHECKS))
