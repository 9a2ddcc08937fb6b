"""WhatsApp's official API: Meta calls `handle_webhook` when somebody writes, `send` calls Meta. Nothing is accepted that Meta did not sign."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from secondme.channels.whatsapp_cloud.client import (
    Answer,
    Graph,
    NotReachedError,
    is_about_the_voice,
    is_gone,
    is_permission_missing,
    is_rate,
    is_token_refused,
    late_failure,
    refusal_of,
)
from secondme.channels.whatsapp_cloud.content import MEDIA_ID
from secondme.channels.whatsapp_cloud.manifest import CONNECT
from secondme.channels.whatsapp_cloud.webhook import (
    CHANNEL,
    MOST_WRONG,
    Batch,
    challenge_of,
    has_signature,
    is_signed,
    read,
    recipient_of,
)
from secondme.core import fault_points
from secondme.core.errors import ConfigError, CredentialsError, DataError, NotFoundError, SecondmeError, UnavailableError
from secondme.core.ids import ChannelId, ContactId, mask_contact_id
from secondme.core.log import get_logger
from secondme.core.messages import (
    ChannelContact,
    ChannelState,
    ChatKind,
    InboundMessage,
    MessageContent,
    NotSent,
    SendOutcome,
    Sent,
    Undeliverable,
    VoiceNote,
    VoiceRefused,
    WebhookAnswer,
    WebhookRequest,
)
from secondme.core.retry import AttemptLimit
from secondme.core.text import is_too_deep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secondme.channels.whatsapp_cloud.settings import CloudAccount
    from secondme.core.ports import ChannelHost, Clock

log = get_logger(__name__)

_CHECK_EVERY_S = 300.0
_BODY_BYTES = 3 * 1024 * 1024
"""Meta's own limit for one call."""
_JSON_DEPTH = 32
_REMEMBERED = 1_000
"""Contacts whose last message is known for the typing indicator, and failures that were told already."""


class WhatsAppCloudChannel:
    """One business number."""

    def __init__(self, account: CloudAccount, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._graph = Graph(account)
        self._host: ChannelHost | None = None
        self._is_connected = False
        self._standing = ""
        """The trouble that the owner was last told of, until the next look at the account."""
        self._order = asyncio.Lock()
        self._attempts = AttemptLimit(MOST_WRONG, clock)
        self._last_heard: OrderedDict[ContactId, str] = OrderedDict()
        self._failed: OrderedDict[str, None] = OrderedDict()

    @property
    def id(self) -> ChannelId:
        """`whatsapp_cloud`."""
        return CHANNEL

    @property
    def account(self) -> str:
        """Meta's id of the number."""
        return self._account.phone_number_id

    @property
    def owner_chat(self) -> ContactId | None:
        """The owner's chat with the business number; None while nobody said what the owner's own number is."""
        number = self._account.owner_number
        return ContactId(f"{CHANNEL}:{number}") if number else None

    async def run(self, host: ChannelHost) -> None:
        """Look after the account until cancelled: Meta's calls are answered from now on, and refused (to be repeated) afterwards.

        Raises ConfigError when a setting is missing, CredentialsError when the token is refused, at the start or later.
        """
        self._account.check()
        host.report(ChannelState.CONNECTING)
        await self._graph.open()
        self._host = host
        try:
            await self._look()
            self._is_connected = True
            host.report(ChannelState.CONNECTED)
            await self._watch(host)
        finally:
            self._is_connected, self._host = False, None
            await self._graph.close()

    def refusal_of(self, head: WebhookRequest) -> WebhookAnswer | None:
        """What is no signed call, and no question of Meta's whether we are there."""
        if head.method == "POST" and not has_signature(head):
            return self._refusal()
        return None

    async def handle_webhook(self, request: WebhookRequest) -> WebhookAnswer:
        """What Meta is told. 200 means that every message in the call is safe; 503, that Meta must repeat it. Never raises."""
        if request.method == "GET":
            challenge = challenge_of(request.query, self._account.verify_token)
            return WebhookAnswer(200, challenge) if challenge is not None else self._refusal()
        if request.method != "POST":
            return WebhookAnswer(405)
        if len(request.body) > _BODY_BYTES:
            return WebhookAnswer(413)
        if not is_signed(request, self._account.app_secret):
            return self._refusal()
        body = _parsed(request.body)
        if body is None:
            return WebhookAnswer(400)
        try:
            return await self._take(read(body, self._account, self._clock.now_ms()))
        except UnavailableError as error:
            log.warning("webhook_put_off", channel=CHANNEL, code=error.code)
            return WebhookAnswer(503)
        except Exception as error:  # noqa: BLE001  the top of Meta's call: it is repeated, and nobody else's harm
            log.error("webhook_failed", error, channel=CHANNEL)
            return WebhookAnswer(500)

    async def send(self, contact_id: ContactId, content: MessageContent, client_message_id: str) -> SendOutcome:
        """Meta has the message, or said why not. Raises UnavailableError when nobody knows. Meta does not collapse resends."""
        recipient = recipient_of(contact_id)
        if recipient is None:
            return Undeliverable("not_a_contact")
        said = _text_of(content) if content.voice is None else await self._uploaded(content.voice)
        if not isinstance(said, dict):
            return said
        payload = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            **recipient,
            **said,
            "biz_opaque_callback_data": client_message_id,
        }
        try:
            answer = await self._graph.call("POST", f"{self._account.phone_number_id}/messages", payload=payload)
        except NotReachedError as error:
            return NotSent(error.code)
        native = _native_id(answer) if answer.is_good else ""
        if native:
            return Sent(native)
        if content.voice is not None and answer.is_no and is_about_the_voice(answer.code):
            return VoiceRefused("refused")
        if answer.is_no or is_rate(answer.code):
            return refusal_of(answer.status, answer.code, answer.retry_after_s)
        raise UnavailableError("whatsapp_cloud_unknown", f"Meta answered {answer.status}; the message may have gone out.")

    async def _uploaded(self, note: VoiceNote) -> dict[str, Any] | SendOutcome:
        """The part of a message that plays the voice note, whose file Meta has now; else why it has none, and nobody was sent anything."""
        try:
            answer = await self._graph.upload(f"{self._account.phone_number_id}/media", "voice.ogg", "audio/ogg", note.data)
        except NotReachedError as error:
            return NotSent(error.code)
        except UnavailableError:
            return VoiceRefused("upload_failed")
        media = answer.payload.get("id")
        if answer.is_good and isinstance(media, str) and MEDIA_ID.fullmatch(media):
            return {"type": "audio", "audio": {"id": media, "voice": True}}
        if is_rate(answer.code) or answer.status == 429 or is_token_refused(answer.status, answer.code):  # noqa: PLR2004  too many requests
            return refusal_of(answer.status, answer.code, answer.retry_after_s)
        return VoiceRefused("upload_refused" if answer.is_no else "upload_failed")

    async def typing(self, contact_id: ContactId, thread: str = "", *, recording: bool = False) -> None:  # noqa: ARG002  no topics, one indicator
        """The contact sees that an answer is typed, and that its last message was read. Nothing when it has not written lately.

        Meta has no other indicator: one that is recorded is shown as typed.
        """
        last_message = self._last_heard.get(contact_id)
        if last_message is None or not self._graph.is_open:
            return
        payload = {
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": last_message,
            "typing_indicator": {"type": "text"},
        }
        try:
            await self._graph.call("POST", f"{self._account.phone_number_id}/messages", payload=payload)
        except SecondmeError as error:
            log.debug("typing_failed", contact=mask_contact_id(contact_id), code=error.code)

    async def contacts(self) -> list[ChannelContact]:
        """Nobody: a business number has no address book."""
        return []

    async def contact(self, contact_id: ContactId) -> ChannelContact | None:
        """Nothing: Meta names people only in their own messages."""
        del contact_id
        return None

    async def download(self, handle: str, limit_bytes: int) -> bytes:
        """The attachment with Meta's media id `handle`. Raises as the port says; no address from a message's content is ever called."""
        if not MEDIA_ID.fullmatch(handle):
            raise NotFoundError("media_gone", "That is not an attachment of this channel.")
        answer = await self._graph.call("GET", handle, params={"phone_number_id": self._account.phone_number_id})
        if answer.status == 404 or is_gone(answer.code):  # noqa: PLR2004
            raise NotFoundError("media_gone", "WhatsApp no longer has this attachment.")
        url = answer.payload.get("url")
        if not answer.is_good or not isinstance(url, str):
            raise UnavailableError("whatsapp_cloud_media_refused", f"WhatsApp answered {answer.status} for an attachment.")
        size = answer.payload.get("file_size")
        if isinstance(size, int) and size > limit_bytes:
            raise DataError("media_too_large", "The attachment is larger than what is looked at.")
        return await self._graph.fetch(url, limit_bytes)

    async def display_number(self) -> str:
        """The business number as people read it, asked of Meta. Raises CredentialsError, ConfigError or UnavailableError."""
        await self._graph.open()
        try:
            return await self._look()
        finally:
            await self._graph.close()

    async def _watch(self, host: ChannelHost) -> None:
        """Look at the account every five minutes. One look that fails is a hiccup; Meta's calls come all the same."""
        misses = 0
        while True:
            await self._clock.sleep(_CHECK_EVERY_S)
            try:
                await self._look()
            except UnavailableError as error:
                misses += 1
                log.warning("account_not_checked", channel=CHANNEL, code=error.code, misses=misses)
                if misses > 1:
                    raise
                continue
            misses = 0
            host.alive()
            if self._standing:
                self._standing = ""
                host.report(ChannelState.CONNECTED)

    async def _look(self) -> str:
        """The business number, as Meta says it; our token is good."""
        fields = {"fields": "display_phone_number,verified_name"}
        answer = await self._graph.call("GET", self._account.phone_number_id, params=fields)
        if answer.is_good:
            return str(answer.payload.get("display_phone_number") or self._account.phone_number_id)
        if is_rate(answer.code) or not answer.is_no:
            raise UnavailableError(
                "whatsapp_cloud_unreachable", f"Meta's API answered {answer.status}.", retry_after_s=answer.retry_after_s
            )
        if is_token_refused(answer.status, answer.code) or is_permission_missing(answer.code):
            raise CredentialsError(
                "whatsapp_cloud_token_refused",
                "Meta refused the access token.",
                f"Create a system user's token, then: {CONNECT}",
            )
        raise ConfigError(
            "whatsapp_cloud_number_unknown",
            "Meta does not know whatsapp_cloud.phone_number_id, or not for this token.",
            "Copy the phone number ID from WhatsApp > API Setup.",
        )

    async def _take(self, batch: Batch) -> WebhookAnswer:
        """Everything in the batch is safe, in its order. Raises UnavailableError when it is not: all of it comes again then."""
        host = self._host
        if host is None:
            return WebhookAnswer(503)
        if batch.unreadable or batch.out_of_time:
            log.warning("webhook_skipped", channel=CHANNEL, unreadable=batch.unreadable, out_of_time=batch.out_of_time)
        async with self._order:  # calls overlap; a conversation must not
            for message in batch.messages:
                try:
                    await host.receive(message)
                except DataError as error:  # it will never be taken: called again, Meta would keep the others waiting for a week
                    log.error("message_refused", channel=CHANNEL, contact=mask_contact_id(message.contact_id), code=error.code)
                    continue
                fault_points.point("channel.admitted")
                self._remember(message)
        for native, code in batch.failures:
            self._tell(host, native, code)
        return WebhookAnswer(200)

    def _remember(self, message: InboundMessage) -> None:
        if message.from_me or message.kind not in {ChatKind.DIRECT, ChatKind.OWNER}:
            return
        self._last_heard[message.contact_id] = message.message_id
        self._last_heard.move_to_end(message.contact_id)
        if len(self._last_heard) > _REMEMBERED:
            self._last_heard.popitem(last=False)

    def _tell(self, host: ChannelHost, native: str, code: int) -> None:
        """The owner is told of a message that did not arrive, once for each; Meta repeats itself."""
        if native in self._failed:
            return
        self._failed[native] = None
        if len(self._failed) > _REMEMBERED:
            self._failed.popitem(last=False)
        trouble = late_failure(code)
        log.warning("message_not_delivered", channel=CHANNEL, code=trouble, reason=code)
        if self._is_connected:
            self._standing = trouble
            host.report(ChannelState.CONNECTED, trouble)

    def _refusal(self) -> WebhookAnswer:
        if calls := self._attempts.refused():
            log.warning("webhook_forged", channel=CHANNEL, calls=calls)
        return WebhookAnswer(429 if self._attempts.is_one_too_many() else 403)


def _parsed(raw: bytes) -> Mapping[str, Any] | None:
    """The JSON object in `raw`; None when it is none, or deeper than anything Meta sends."""
    try:
        body = None if is_too_deep(raw, _JSON_DEPTH) else json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _text_of(content: MessageContent) -> dict[str, Any]:
    return {"type": "text", "text": {"body": content.text.encode("utf-8", "replace").decode("utf-8"), "preview_url": False}}


def _native_id(answer: Answer) -> str:
    """Meta's name for what it took; empty when it named nothing, and then nobody knows."""
    messages = answer.payload.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    native = first.get("id") if isinstance(first, dict) else None
    return native if isinstance(native, str) else ""
