"""Is a webhook added, looked at and removed by a program, and only by one that may do everything?"""

import pytest
from api.serving import Served
from api.test_tokens import token_of
from fakes.webhook_receiver import Receiver

from secondme.core.store import keys
from secondme.core.tokens import TokenScope
from secondme.core.webhooks.desk import NewWebhook
from secondme.services import Services

WANTED = {"url": "https://hooks.example.invalid/x", "events": ["draft.held"]}


async def test_it_is_added_listed_rotated_and_removed(served: Served) -> None:
    async with served.local() as client:
        added = (await client.post("/api/webhooks", json=WANTED)).json()
        secret = added.pop("secret")
        assert secret.startswith("whsec_")
        assert (added["url"], added["withIds"], added["waiting"], added["lastTryAt"]) == (WANTED["url"], False, 0, None)
        listed = (await client.get("/api/webhooks")).json()
        assert listed == {"webhooks": [added]}
        one = (await client.get(f"/api/webhooks/{added['id']}")).json()
        assert one == added
        rotated = (await client.post(f"/api/webhooks/{added['id']}/rotate")).json()["secret"]
        assert rotated not in {secret, ""}
        assert (await client.post(f"/api/webhooks/{added['id']}/replay")).json() == {"replayed": 0}
        assert (await client.delete(f"/api/webhooks/{added['id']}")).json() == {"id": added["id"]}
        assert (await client.delete(f"/api/webhooks/{added['id']}")).status_code == 404
        assert (await client.get("/api/webhooks")).json() == {"webhooks": []}


async def test_a_try_says_what_came_back_and_counts_are_in_the_metrics(served: Served) -> None:
    async with Receiver() as receiver, served.local() as client:
        receiver.answers.append(500)
        endpoint, _ = await Services(served.setup, served.store).webhook_desk.add(NewWebhook(receiver.url, ["*"], is_local=True))
        for expected in ({"delivered": False, "status": "500"}, {"delivered": True, "status": "204"}):
            assert (await client.post(f"/api/webhooks/{endpoint.id}/test")).json() == expected
        await served.store.client.hset(keys.WEBHOOK_COUNTS, mapping={"sent": 3, "dead": 2})
        lines = (await client.get("/metrics")).text.splitlines()
    assert {"secondme_webhook_sent_total 3.0", "secondme_webhook_dead_total 2.0"} <= set(lines)
    assert [each.event["type"] for each in receiver.received] == ["test", "test"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({**WANTED, "url": "http://hooks.example.invalid/"}, "webhook_address_refused"),
        ({**WANTED, "url": "https://169.254.169.254/"}, "webhook_address_refused"),
        ({**WANTED, "url": "https://127.0.0.1/"}, "webhook_address_refused"),
        ({**WANTED, "events": ["nonsense"]}, "unknown_event"),
        ({**WANTED, "events": []}, "invalid_request"),
        ({**WANTED, "local": True}, "invalid_request"),
        ({}, "invalid_request"),
    ],
)
async def test_what_cannot_be_is_refused_and_this_machine_is_not_opened(served: Served, body: dict[str, object], code: str) -> None:
    async with served.local() as client:
        answer = await client.post("/api/webhooks", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
        assert (await client.get("/api/webhooks")).json() == {"webhooks": []}


@pytest.mark.parametrize("scope", [TokenScope.CONTROL, TokenScope.EVENTS_READ, TokenScope.READ])
async def test_a_token_for_less_neither_adds_nor_sees_one(served: Served, scope: TokenScope) -> None:
    async with served.remote(token_of(served, scope)) as client:
        assert (await client.post("/api/webhooks", json=WANTED)).status_code == 403
        assert (await client.get("/api/webhooks")).status_code == 403
