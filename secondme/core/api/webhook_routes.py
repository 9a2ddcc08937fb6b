"""The routes of outgoing webhooks, for the owner: where what happens is told, and whether it arrives."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from secondme.core.api import schemas
from secondme.core.api.dependencies import Can, answers
from secondme.core.clock import rfc3339
from secondme.core.records import CamelModel
from secondme.core.webhooks.desk import NewWebhook

if TYPE_CHECKING:
    from datetime import datetime

    from secondme.core.webhooks.records import ListedEndpoint

webhooks = APIRouter(prefix="/api/webhooks", tags=["webhooks"])

_Id = Annotated[str, Path(alias="webhook", pattern="^[0-9a-f]{12}$", examples=["3f2a91c0b7de"])]


class WebhookShown(CamelModel):
    """An endpoint and how it stands. Times are RFC 3339; null: never."""

    id: str
    url: str
    events: list[str]
    local: bool
    with_ids: bool
    created_at: str
    waiting: int
    dead: int
    sent: int
    last_status: str
    last_try_at: str | None
    last_success_at: str | None
    failing_since: str | None
    disabled_at: str | None
    disabled_why: str


class WebhookShownWithSecret(WebhookShown):
    """A new endpoint, and what its deliveries are signed with: it is not told again."""

    secret: str


class WebhookList(CamelModel):
    """Every endpoint."""

    webhooks: list[WebhookShown]


class WebhookTried(CamelModel):
    """What came back of a try."""

    delivered: bool
    status: str


class WebhookSecret(CamelModel):
    """What deliveries are signed with from now on: it is not told again."""

    secret: str


class WebhooksReplayed(CamelModel):
    """How many dead letters are tried again."""

    replayed: int


class WebhookRemoved(CamelModel):
    """The endpoint that was removed."""

    id: str


class WantedWebhook(schemas.RequestBody):
    """Where to tell what. Events are names, `draft.*`, or `*`."""

    url: Annotated[str, Field(min_length=1, max_length=2048)]
    events: Annotated[list[Annotated[str, Field(max_length=80)]], Field(min_length=1, max_length=50)]
    with_ids: bool = False


@webhooks.get("", responses=answers())
async def list_webhooks(can: Can) -> WebhookList:
    """Every endpoint and how it stands."""
    return WebhookList(webhooks=[_shown(each) for each in await can.webhooks.all()])


@webhooks.post("", responses=answers(409))
async def add_webhook(can: Can, wanted: WantedWebhook) -> WebhookShownWithSecret:
    """A server on the internet is told of what happens from now on. One on this machine is added at its command line only."""
    endpoint, secret = await can.webhooks.add(NewWebhook(wanted.url, wanted.events, with_ids=wanted.with_ids))
    return WebhookShownWithSecret(**dict(_shown(await can.webhooks.show(endpoint.id))), secret=secret)


@webhooks.get("/{webhook}", responses=answers(404))
async def show_webhook(can: Can, webhook: _Id) -> WebhookShown:
    """One endpoint and how it stands."""
    return _shown(await can.webhooks.show(webhook))


@webhooks.delete("/{webhook}", responses=answers(404))
async def remove_webhook(can: Can, webhook: _Id) -> WebhookRemoved:
    """Nothing of the endpoint is left."""
    await can.webhooks.remove(webhook)
    return WebhookRemoved(id=webhook)


@webhooks.post("/{webhook}/test", responses=answers(404))
async def test_webhook(can: Can, webhook: _Id) -> WebhookTried:
    """A `test` event is sent now, and not again; what came back of it."""
    result = await can.webhooks.test(webhook)
    return WebhookTried(delivered=result.is_delivered, status=result.status)


@webhooks.post("/{webhook}/rotate", responses=answers(404))
async def rotate_webhook(can: Can, webhook: _Id) -> WebhookSecret:
    """A new secret; for 24 h deliveries are signed with the one before it too."""
    return WebhookSecret(secret=await can.webhooks.rotate(webhook))


@webhooks.post("/{webhook}/replay", responses=answers(404, 409))
async def replay_webhook(can: Can, webhook: _Id) -> WebhooksReplayed:
    """Dead letters are tried again."""
    return WebhooksReplayed(replayed=await can.webhooks.replay(webhook))


def _shown(listed: "ListedEndpoint") -> WebhookShown:
    endpoint, state = listed.endpoint, listed.state
    return WebhookShown(
        id=endpoint.id,
        url=endpoint.url,
        events=endpoint.events,
        local=endpoint.local,
        with_ids=endpoint.with_ids,
        created_at=rfc3339(endpoint.created_at),
        waiting=state.waiting,
        dead=state.dead,
        sent=state.sent,
        last_status=state.last_status,
        last_try_at=_moment(state.last_try_at),
        last_success_at=_moment(state.last_success_at),
        failing_since=_moment(state.failing_since),
        disabled_at=_moment(state.disabled_at),
        disabled_why=state.disabled_why,
    )


def _moment(when: "datetime | None") -> str | None:
    return None if when is None else rfc3339(when)
