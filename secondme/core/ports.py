"""The seams, on one page. Each has two implementations today: a real one, and one that needs no phone and no money."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from secondme.core.ids import ChannelId, ContactId
from secondme.core.messages import (
    Admission,
    Challenge,
    ChannelContact,
    ChannelState,
    HearingOutcome,
    InboundMessage,
    KnownPerson,
    MessageContent,
    ModelOutcome,
    Prompt,
    Recollection,
    SendOutcome,
    ShownPictures,
    Sound,
    ToolCall,
    ToolResult,
    ToolSpec,
    ToolTurn,
    WebhookAnswer,
    WebhookRequest,
)

if TYPE_CHECKING:
    from array import array


class ChannelHost(Protocol):
    """What the gateway gives a channel for the time it runs: where messages and changes of state go."""

    async def receive(self, message: InboundMessage) -> Admission | Challenge:
        """What became of the message; it is safe now, and only now may the channel confirm it upstream.

        Raises UnavailableError when it is not safe: the channel must offer it again.
        """

    def report(self, state: ChannelState, code: str = "") -> None:
        """The channel stands so from now on. `code` is snake_case and says why, for the owner and for scripts."""

    def alive(self) -> None:
        """The platform just gave a sign of life: a poll returned, a keep-alive was answered."""


class Channel(Protocol):
    """A platform where contacts write and are answered."""

    @property
    def id(self) -> ChannelId:
        """The first part of its contacts' ids, or the platform's name."""

    async def run(self, host: ChannelHost) -> None:
        """Connect, and receive until cancelled, handing over each conversation in its order; then nothing of it is left running.

        Raises CredentialsError or ConfigError when a human must act first, UnavailableError and whatever its library raises when it
        may be tried again. It is never run twice at the same time.
        """

    async def send(self, contact_id: ContactId, content: MessageContent, client_message_id: str) -> SendOutcome:
        """Deliver `content`. A second call with the same `client_message_id` must not show twice where the platform allows it.

        An exception or a time-out means: nobody knows whether it went out.
        """

    async def typing(self, contact_id: ContactId, thread: str = "", *, recording: bool = False) -> None:
        """Show the contact that an answer is being typed, in the topic `thread` if there is one. With `recording`, that a voice message is
        being recorded, where the platform can show that; only channels that send voice are asked. Best effort: it never raises."""

    async def contacts(self) -> list[ChannelContact]:
        """The owner's address book on this platform; empty where there is none. Raises UnavailableError while it cannot be read."""

    async def contact(self, contact_id: ContactId) -> ChannelContact | None:
        """What the platform says of one contact, in the address book or not; None when it says nothing. Raises as `contacts`."""

    async def download(self, handle: str, limit_bytes: int) -> bytes:
        """What an attachment's handle stands for. The platform's own claims about its size are not believed: it is counted.

        Raises NotFoundError when it is gone, DataError when it is larger than `limit_bytes`, UnavailableError to try again later.
        """


@runtime_checkable
class HasOwnerChat(Protocol):
    """A channel on which the owner can talk to this program itself."""

    @property
    def owner_chat(self) -> ContactId | None:
        """Where the owner is told things and gives commands; None while it is not known."""


@runtime_checkable
class HasInviteLink(Protocol):
    """A channel on which a link opens a chat with this program, a code typed already."""

    @property
    def invite_link(self) -> str:
        """The link up to where the code stands, at its end; empty while it is not known."""


@runtime_checkable
class HasAccount(Protocol):
    """A channel that can say which account of the platform it serves."""

    @property
    def account(self) -> str:
        """Its name for the owner, like the id of a bot; never a secret."""


@runtime_checkable
class WebhookHandler(Protocol):
    """A channel whose platform calls us by webhooks."""

    async def handle_webhook(self, request: WebhookRequest) -> WebhookAnswer:
        """The answer to a platform's call. 200 means that everything in it is safe. Never raises."""


@runtime_checkable
class WebhookHeadReader(Protocol):
    """A channel that knows who is not its platform by a call's headers alone: strangers' bodies are not even waited for."""

    def refusal_of(self, head: WebhookRequest) -> WebhookAnswer | None:
        """The answer to a call, given without its body, that cannot be the platform's; None when its body must be read. Never raises."""


class Model(Protocol):
    """A language model that writes the owner's next message."""

    async def compose(self, prompt: Prompt) -> ModelOutcome:
        """One answer. Raises UnavailableError to be asked again later, CredentialsError and ConfigError when a human must act first, DataError
        `picture_refused` when it may be taken without its pictures."""


TextKind: TypeAlias = Literal["document", "query"]
"""What a text is to a search: something that may be found, or what is looked for."""
Vector: TypeAlias = "array[float]"
"""float32 numbers of unit length: the dot product of two is their cosine."""


class EmbeddingProvider(Protocol):
    """Turns texts into vectors, so that what was said in other words is found."""

    @property
    def name(self) -> str:
        """Whose model it is and which, like `openai/text-embedding-3-small`. Vectors under two names cannot be compared."""

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has; 0 while only the first answer will tell."""

    async def embed(self, text: str, kind: TextKind) -> Vector:
        """The vector of one text, as `embed_batch`."""

    async def embed_batch(self, texts: Sequence[str], kind: TextKind) -> list[Vector]:
        """A vector for each text, in their order; what is too long counts by its beginning. May be repeated.

        Raises UnavailableError to be asked again later, CredentialsError and ConfigError when a human must act first, DataError when
        what came back are no vectors of these texts.
        """

    async def close(self) -> None:
        """Nothing of it is open or loaded; a later call opens it again. Repeatable."""


class Transcriber(Protocol):
    """Writes down what is said in a recording."""

    @property
    def name(self) -> str:
        """Whose engine it is and which, like `openai/gpt-transcribe`; for the owner and the ledger."""

    async def transcribe(self, sound: Sound, languages: Sequence[str] = ()) -> HearingOutcome:
        """What is said, or that nothing is that could be relied on. `languages` (ISO 639-1, likeliest first) are those the speaker is known
        to use; empty: nobody knows. It is asked once: who calls again decides when.

        Raises UnavailableError to be asked again later, CredentialsError and ConfigError when a human must act first, DataError when this
        recording will never be understood. Its caller sets the time-out; cancelled, nothing of it is left running.
        """

    async def close(self) -> None:
        """Nothing of it is open or loaded; a later call opens it again. Repeatable."""


class SpeechEngine(Protocol):
    """Speaks a text."""

    @property
    def name(self) -> str:
        """Whose voice it is and which model, for the owner and the ledger."""

    async def speak(self, text: str, language: str = "") -> bytes:
        """`text` spoken, as a sound file whose kind its bytes say. `language` is ISO 639-1, empty when nobody knows.

        Raises UnavailableError, CredentialsError, ConfigError and DataError as `Transcriber.transcribe`; so does what was not spoken whole.
        """

    async def close(self) -> None:
        """Nothing of it is open or loaded; a later call opens it again. Repeatable."""


class Meter(Protocol):
    """A purse for what is counted in seconds or characters: what they cost, and how many there may be."""

    async def charge(self, who: str, amount: float) -> Any:
        """So much is charged before it is used: what `settle` takes; or, as a text in snake_case, the limit that was reached. Raises
        UnavailableError."""

    async def settle(self, charge: Any, amount: float, **facts: Any) -> int:
        """It was so much in the end, 0 when it failed; what that cost, in millionths of a dollar. `facts` (JSON values) join the log of calls.
        Never raises."""


class Toolbox(Protocol):
    """What the clone may use while it writes. Who may cause what is decided behind this, twice: when it is offered and when it is called."""

    async def offered(self, turn: ToolTurn) -> tuple[ToolSpec, ...]:
        """The tools for this turn, ordered by name; the same for everybody with the same rights. Never raises."""

    async def call(self, turn: ToolTurn, call: ToolCall) -> ToolResult:
        """What the tool came to. What it may not do, or what fails, is a result with a code. Never raises; it takes as long as its own limit."""


class Memory(Protocol):
    """What was said with each person, however long ago."""

    async def recall(
        self, contact: ContactId, query: str, *, shown: AbstractSet[str], person: KnownPerson | None = None
    ) -> Recollection:
        """What was said with this person (contacts that the owner linked are one) and matters to `query`, within the owner's token budget;
        nothing of messages in `shown`, and nothing of anybody else. Who is asked about is looked up where `person` does not say it.
        Never raises: what cannot be read is not remembered."""


class Pictures(Protocol):
    """The pictures that are kept of what contacts sent."""

    async def look(self, contact: ContactId, messages: Sequence[str]) -> ShownPictures:
        """What a reply is shown: the pictures of these messages of the contact's, the first that matter most, as many as the owner's settings
        allow. Never raises: what cannot be read is not shown."""

    async def refuse(self, contact: ContactId, shown: ShownPictures) -> None:
        """None of them is ever shown again. Never raises."""


class Clock(Protocol):
    """Time, injected so that tests own it."""

    def now_ms(self) -> int:
        """The current Unix time in milliseconds."""

    def monotonic(self) -> float:
        """Seconds that only ever grow."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""


class Random(Protocol):
    """Chance, injected so that a schedule can be repeated from its seed."""

    def uniform(self, a: float, b: float, /) -> float:
        """A number between `a` and `b`."""
