"""The settings' models: every group with its defaults and its limits. `loader.load` puts them together."""

import re
from datetime import datetime, time
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, field_validator

from secondme.core.enums import PairingMode, Tier

_LAST_PORT = 65_535


class Section(BaseModel):
    """The base of every group of settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, defer_build=True)


def host_and_port(value: str) -> str:
    """`value`, which is empty or `host:port`. Raises ValueError for everything else."""
    if value:
        host, _, port = value.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port) > _LAST_PORT:
            raise ValueError("not host:port, like 127.0.0.1:8765")
    return value


def server_address(value: str | None) -> str | None:
    """The address of a model's server without what the API adds to it: `/v1`, or a whole path of a call that was copied."""
    if value is None:
        return None
    return re.sub(r"(?:/v1(?:/messages)?)?/*$", "", value.strip().rstrip("/"), flags=re.IGNORECASE) or None


def transcription_address(value: str | None) -> str | None:
    """As `server_address`, for a server with OpenAI's calls."""
    if value is None:
        return None
    ending = r"(?:/v1(?:/audio(?:/transcriptions)?)?)?/*$"
    return re.sub(ending, "", value.strip().rstrip("/"), flags=re.IGNORECASE) or None


def _host(address: str | None) -> str:
    """The machine that an address names, for the owner to read; the address itself when it names none, empty when there is none."""
    return urlsplit(address).hostname or address if address else ""


class PairingSettings(Section):
    """Who is approved, and how many may ask."""

    enabled: bool = True
    """False: the door stays shut. Strangers are ignored and no request is made; approved contacts are answered as before."""
    mode: PairingMode = PairingMode.OWNER
    prompt: Literal["contact", "silent"] = "contact"
    """`silent`: the contact is told nothing, only the owner sees the request."""
    code_expiration_minutes: float = Field(30, gt=0, le=1440)
    denial_cooldown_hours: float = Field(24, gt=0, le=8760)
    max_pending_requests: int = Field(100, ge=0, le=100_000)
    """The strangers of one channel take at most half of the places that those of the others leave."""
    max_prompts_per_hour: int = Field(30, ge=0, le=1000)
    prompt_max_age_minutes: float = Field(10, gt=0)
    """Nobody is prompted for a message older than this: a restarted gateway must not text the owner's friends."""
    wrong_codes_per_contact: int = Field(5, ge=1, le=5)
    wrong_codes_per_hour: int = Field(50, ge=1, le=50)
    self_verify_tier: Tier = Tier.STANDARD
    auto_approve_existing: bool = False
    """Approve who already has a history, as `standard`, at their next message."""
    keep_first_line: bool = False
    """Keep the first line of whoever asks (200 characters) as long as their request, for you alone, and answer it when you approve them. Else
    nothing of their words is kept."""


class PersonaSettings(Section):
    """Whose voice it is."""

    name: str = Field("the owner", min_length=1, max_length=64)
    file: str = Field("default.md", min_length=1, max_length=128)
    """A Markdown file in the personas directory: who speaks where neither contact nor relationship decide. A plain default is used
    while it does not exist."""

    @field_validator("file")
    @classmethod
    def _in_the_directory(cls, value: str) -> str:
        if "/" in value or "\\" in value or value.startswith("."):
            raise ValueError("not the name of a file in the personas directory, like family.md")
        return value


class ModelSettings(Section):
    """Who writes the replies. Any server that speaks the Anthropic Messages API will do."""

    name: str = "claude-sonnet-5-5"
    small: str = "claude-haiku-5-5"
    """Tells small talk from the rest, and answers it."""
    api_key: SecretStr | None = None
    base_url: str | None = None
    """With or without the `/v1` at its end."""
    timeout_s: float = Field(60, gt=0, le=600)
    max_tokens: int = Field(2048, ge=16, le=32_768)
    """Of one answer, thoughts included. What it cuts is asked for once more, shorter; cut again, it is yours to write."""
    effort: Literal["", "low", "medium", "high"] = "low"
    """How much a model thinks about a chat message. Empty for models that know no effort, like those before the fifth generation."""
    history_turns: int = Field(40, ge=1, le=100)
    history_hours: float = Field(24, gt=0, le=168)
    history_tokens: int = Field(1500, ge=0, le=100_000)
    """How much of a conversation the model is shown, beside the burst it answers; an estimate."""

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str | None) -> str | None:
        return server_address(value)

    @property
    def recipient(self) -> str:
        """Who is sent what a model is asked."""
        return _host(self.base_url) or "Anthropic"


class DisclosureSettings(Section):
    """What happens when somebody sincerely asks whether they talk with a machine. It is never denied."""

    policy: Literal["admit", "handover"] = "admit"
    """`admit`: the reply says so, in the owner's voice. `handover`: the clone says nothing, and the owner is told."""


class BudgetSettings(Section):
    """What models may cost. Over a cap nobody is answered until the next day (UTC), and the owner is told once."""

    daily_usd: float = Field(5.0, ge=0)
    daily_usd_per_contact: float = Field(1.0, ge=0)
    input_usd_per_mtok: float | None = Field(None, ge=0)
    """What a million tokens cost, where the price table does not know the model or you pay another price; 0 for a model of your own."""
    output_usd_per_mtok: float | None = Field(None, ge=0)


class DraftSettings(Section):
    """Replies that wait for the owner."""

    expire_hours: float = Field(48, gt=0, le=720)
    """A draft that nobody looked at for so long is dropped: nobody wants yesterday's answer tomorrow."""
    ordered_per_contact: int = Field(3, ge=1, le=20)
    """Drafts that you or your scripts ordered (`secondme agent --to CONTACT`) and that wait for one contact. One more is refused."""


class QueueSettings(Section):
    """How messages are worked on."""

    slots: int = Field(8, ge=1, le=256)
    """Replies composed at the same time in one process."""
    lease_s: float = Field(15, ge=0.5, le=300)
    """A worker that says nothing for this long has lost its contact to another."""
    max_attempts: int = Field(5, ge=1, le=100)
    stale_after_hours: float = Field(6, gt=0)
    """Older messages are not answered after an outage; hours asleep do not count."""
    drain_s: float = Field(8, gt=0, le=60)
    """How long a stopping process may finish what it began. The whole stop stays below 10 s."""


class DeliverySettings(Section):
    """How replies leave."""

    ambiguous: Literal["auto", "resend", "hold"] = "auto"
    """When nobody knows whether a message went out: send it again under the same id, or hold it for the owner. `auto` sends again
    where the platform shows one id once, and holds everywhere else."""
    timeout_s: float = Field(20, gt=0, le=120)
    max_attempts: int = Field(12, ge=1, le=1000)
    concurrency: int = Field(16, ge=1, le=256)


class PacingSettings(Section):
    """How fast a person types. Defaults are the predecessor's."""

    enabled: bool = True
    think_min_s: float = Field(1.0, ge=0)
    think_max_s: float = Field(3.0, ge=0)
    typing_s_per_character: float = Field(0.24, ge=0, le=2)
    jitter: float = Field(0.15, ge=0, lt=1)
    min_s: float = Field(0.5, ge=0)
    max_s: float = Field(20.0, ge=0)
    pause_min_s: float = Field(2.0, ge=0)
    pause_max_s: float = Field(5.0, ge=0)
    pause_within_s: float = Field(30.0, ge=0)
    """A cognitive pause is added when the last reply left less than this ago."""
    scale: float = Field(1.0, ge=0, le=10)
    """Multiplies every duration; the demo uses a small one."""
    gather_s: float = Field(4.0, ge=0, le=60)
    """A reply is thought of when the contact has been quiet for so long: several short messages are one thought."""
    gather_max_s: float = Field(25.0, ge=0, le=300)
    """How long the first of them waits at most."""


class SleepSettings(Section):
    """When the owner sleeps, nobody is answered until they wake."""

    enabled: bool = True
    start: time = time(23, 0)
    end: time = time(7, 0)
    """Exclusive. Equal to `start`: never asleep."""
    timezone: str = ""
    """An IANA name; empty means this machine's."""
    spread_minutes: float = Field(20, ge=0, le=240)
    """After waking, answers are spread over this long."""
    awake_until: AwareDatetime | None = None
    """In the 12 hours before this moment, as 2026-12-02T02:10:00+01:00, the owner is awake whatever the hours say. Setting up at night offers it."""

    @field_validator("awake_until", mode="before")
    @classmethod
    def _a_moment(cls, value: object) -> object:
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            moment = ""
        if moment is not None and (not isinstance(moment, datetime) or moment.tzinfo is None):
            raise ValueError("not a moment with its time zone, like 2026-12-02T02:10:00+01:00")
        return moment

    @field_validator("start", "end")
    @classmethod
    def _on_the_wall(cls, value: time) -> time:
        if value.tzinfo is not None:
            raise ValueError("not a local time, like 23:00; the zone is sleep.timezone")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value:
            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError) as error:
                raise ValueError("not an IANA time zone, like Europe/Madrid") from error
        return value


class LimitSettings(Section):
    """How much one contact may write before the clone steps back."""

    messages: int = Field(10, ge=1)
    window_s: int = Field(60, ge=1)
    pause_minutes: float = Field(60, gt=0)
    fast_exchanges: int = Field(15, ge=0)
    """Answers within 5 s of ours, in one hour and without you, after which replies wait for you: it may be a machine. Never fewer than
    `messages`; 0: never."""


class TakeoverSettings(Section):
    """The owner spoke themselves."""

    pause_minutes: float = Field(60, gt=0)


class StoreSettings(Section):
    """The embedded server, when `redis_url` is not set."""

    server: str = ""
    """Path of a valkey-server or redis-server; empty: the packaged one, else the first on PATH."""
    fsync: Literal["everysec", "always"] = "everysec"
    timeout_s: float = Field(2.0, gt=0, le=60)
    """How long one answer of the store may take."""


class ContentSettings(Section):
    """What is looked at in the messages of approved contacts. A flagged message is logged and answered as ever."""

    analyze: bool = True
    max_length: int = Field(4000, ge=1)
    """Longer messages, in characters, are flagged."""


class ApiSettings(Section):
    """The HTTP control plane of the gateway."""

    enabled: bool = True
    """On a unix socket that only the owner can open."""
    listen: str = ""
    """`127.0.0.1:8765` to listen on TCP as well, behind the bearer token of `secondme api token`. Empty: only the socket."""
    allow_remote: bool = False
    """Let `listen` name an address that other machines can reach. Put TLS in front of it."""

    whole_token: bool = True
    """Over TCP, the token that may do everything is accepted. False: only named ones (`secondme api token --name NAME --scope SCOPE`)."""

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        return host_and_port(value)


class TuiSettings(Section):
    """How `secondme tui` looks."""

    theme: str = "night"
    """`night`, `paper`, or one of the themes that the command palette of the screen (Ctrl+P) names."""


class WebhookSettings(Section):
    """Where platforms that call us are heard, and where our own webhooks may go."""

    listen: str = ""
    """`127.0.0.1:8780`, with a tunnel or a proxy that speaks TLS in front of it. Empty: nobody can call."""
    allow_private: bool = False
    """Whether webhooks of ours (`secondme webhooks`) may go into private networks too: 10.0.0.0/8, 192.168.0.0/16, Tailscale and the like."""

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        return host_and_port(value)


_LANGUAGE = re.compile("[a-z]{2,3}", re.ASCII)


class HearingSettings(Section):
    """Voice messages become text before they are answered."""

    enabled: bool | Literal["auto"] = "auto"
    """`auto`: when there is somebody to ask: a key or an address of a server, or what `secondme[hearing]` brings."""
    provider: Literal["openai", "local"] = "openai"
    """`openai`: any server with OpenAI's `/v1/audio/transcriptions`; it is sent the recordings. `local`: on this machine."""
    model: str = "gpt-transcribe"
    """For `local`: `tiny.en` (English only), `base` (many languages), or a folder with a CTranslate2 model of your own."""
    base_url: str | None = None
    """With or without the `/v1` at its end. Empty: OpenAI's."""
    api_key: SecretStr | None = None
    languages: str = ""
    """The languages that people speak to you, like `de, en`, likeliest first, while nothing is known of the contact's own."""
    max_seconds: int = Field(600, ge=1, le=7200)
    """Longer recordings are not listened to."""
    minutes_per_contact_per_day: float = Field(20, ge=0)
    minutes_per_day: float = Field(120, ge=0)
    usd_per_minute: float = Field(0.0045, ge=0)
    """What a minute costs; counted against `budget.daily_usd`."""
    timeout_s: float = Field(60, gt=0, le=600)
    wait_minutes: float = Field(10, gt=0, le=600)
    """How long a reply waits for a server that is away. Then it is written without the words."""
    unclear: Literal["ask", "draft"] = "ask"
    """What follows from words that may be wrong: the clone may ask what was meant, or the reply waits for you."""

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str | None) -> str | None:
        return transcription_address(value)

    @field_validator("languages")
    @classmethod
    def _known_languages(cls, value: str) -> str:
        found = value.replace(",", " ").split()
        if any(not _LANGUAGE.fullmatch(each) for each in found):
            raise ValueError("not languages by their codes, like: de, en")
        return ", ".join(found)

    @property
    def recipients(self) -> list[str]:
        """Who is sent recordings, where any are listened to; nobody when that is done on this machine."""
        return [_host(self.base_url) or "OpenAI"] if self.provider == "openai" and self.enabled else []

    @property
    def is_wanted(self) -> bool | None:
        """Whether recordings are listened to: as the owner said, or because there is a server to ask; None when it depends on what is installed
        on this machine."""
        if self.enabled != "auto":
            return self.enabled
        return self.api_key is not None or self.base_url is not None if self.provider == "openai" else None

    @property
    def hints(self) -> tuple[str, ...]:
        """`languages`, one by one."""
        return tuple(self.languages.replace(",", " ").split())


class SightSettings(Section):
    """Pictures are shown to the model, re-encoded by us and without what a camera wrote into them."""

    enabled: bool = True
    max_pictures: int = Field(8, ge=1, le=20)
    """How many the model is shown at once; the rest of an album by their descriptions."""
    max_edge: int = Field(1568, ge=256, le=2576)
    """Pixels of the longer edge."""
    remember_minutes: float = Field(10, ge=0, le=1440)
    """For so long it is shown again with what is said next; later by its description, and again when somebody quotes it."""
    describe: bool = True
    """The small model describes each in one line, which is what later turns, memory and search know of it."""
    documents: bool = False
    """The text of a PDF is read too, ten pages of it. Needs `secondme[documents]`."""


class SpeechSettings(Section):
    """Voice messages are answered by voice messages. Nothing is spoken before `consent` says whose voice it is."""

    enabled: bool = False
    provider: Literal["elevenlabs", "command"] = "elevenlabs"
    voice_id: str = ""
    model: str = "eleven_flash_v2_5"
    base_url: str = "https://api.elevenlabs.io"
    api_key: SecretStr | None = None
    command: str = ""
    """A program of your own and its arguments, as a shell would read them: it is given the text and writes a sound file, Ogg with Opus at best."""
    trigger_on_voice: bool = True
    """Only who sent a voice message is answered by one. False: everybody, unless you say otherwise for a contact."""
    max_response_length: int = Field(300, ge=1, le=2000)
    """Characters. What is longer is written."""
    consent: Literal["", "my-own-voice", "stock-voice"] = ""
    """Whose voice speaks: your own, or one that the vendor offers to everybody. Another person's is not yours to give."""
    usd_per_1k_chars: float = Field(0.1, ge=0)
    daily_usd: float = Field(1.0, ge=0)
    timeout_s: float = Field(20, gt=0, le=120)

    @property
    def speaks(self) -> bool:
        """True when anything is spoken."""
        return self.enabled and bool(self.consent)

    @property
    def recipients(self) -> list[str]:
        """Who is sent the words that are spoken; nobody when a program of the owner's speaks them."""
        if not self.speaks or self.provider == "command":
            return []
        host = _host(self.base_url)
        return ["ElevenLabs" if not host or host == "api.elevenlabs.io" else host]


class AttachmentSettings(Section):
    """What came with messages and is kept for you."""

    keep_days: float = Field(7, ge=0, le=3650)
    """Recordings and pictures that were heard or seen can be opened for so long, on this machine only. 0: for no longer than a reply needs
    them, an hour at most."""


class MemoryWeights(Section):
    """How much each source counts when what was remembered is put in order. 0 switches a source off."""

    keyword: float = Field(1.0, ge=0, le=10)
    semantic: float = Field(1.0, ge=0, le=10)
    """Embeddings, where `memory.embeddings` names some."""
    graph: float = Field(1.0, ge=0, le=10)
    """Facts, and AutoMem."""


class MemorySettings(Section):
    """What the clone remembers of each person beside the newest turns: kept in a file a contact, on this machine."""

    enabled: bool = True
    budget_tokens: int = Field(1000, ge=0, le=20_000)
    """How much of it the model is shown at most, for each reply; an estimate. 0: nothing."""
    idle_minutes: float = Field(30, gt=0, le=1440)
    """After so long a silence a conversation is a new one."""
    keep_days: int = Field(0, ge=0, le=36_500)
    """What is older is forgotten. 0: nothing is."""
    facts: Literal["off", "rules", "model"] = "rules"
    """`rules`: what can be seen without a model, like birthdays. `model`: the small model also reads each conversation once it is over."""
    embeddings: Literal["none", "local", "openai", "voyage"] = "none"
    """Finds what was said in other words. `local` needs `secondme[embed]`; the others send every message to that vendor."""
    embedding_model: str = ""
    """Empty: the vendor's that is known to work."""
    embedding_base_url: str = ""
    embedding_api_key: SecretStr | None = None
    encrypt: bool = False
    """Encrypts each contact's file with a key of its own, which backups leave out. Needs `secondme[encrypt]`."""
    weights: MemoryWeights = MemoryWeights()
    graph_url: SecretStr | None = None
    """FalkorDB, as a Redis URL. Unset: there is none. The facts are kept there too, a graph a contact."""
    automem_url: str = ""
    """AutoMem's HTTP address, like http://127.0.0.1:8001. Empty: there is none."""
    automem_token: SecretStr | None = None

    @property
    def finds_facts(self) -> bool:
        """True when memory reads facts out of what is said."""
        return self.enabled and self.facts != "off"

    @property
    def recipients(self) -> list[str]:
        """Who is sent what people write, or facts of it, so that it is found again; nobody by default."""
        if not self.enabled:
            return []
        vendor = {"openai": "OpenAI", "voyage": "Voyage"}.get(self.embeddings)
        embedder = urlsplit(self.embedding_base_url).hostname if vendor and self.embedding_base_url else vendor
        archive = f"AutoMem at {urlsplit(self.automem_url).hostname}" if self.automem_url else None
        graph = "FalkorDB" if self.graph_url and self.facts != "off" else None
        return [each for each in (embedder, archive, graph) if each]


class LearningSettings(Section):
    """What is learnt beside how you write and who somebody is to you."""

    occasions: bool = True
    """Birthdays that approved contacts tell, as dates, and what you promise them, in your own words. False: nothing more is learnt; what is
    known stays, and so does what you set yourself."""


class SkillSettings(Section):
    """What the clone can do besides writing. Which skills are on is said with `secondme skills`."""

    directory: str = ""
    """Where your own skills lie, a folder each. Empty: `skills` beside the configuration."""


class JobLimits(Section):
    """How often jobs may speak by themselves. What is over a limit is passed over, and the digest says so."""

    told_per_day: int = Field(12, ge=1, le=50)
    """Messages of jobs in your own chat; your own reminders do not count."""
    contact_per_day: int = Field(1, ge=1, le=3)
    contact_per_week: int = Field(3, ge=1, le=10)
    gap_hours: float = Field(20, ge=1, le=720)
    """Between two to the same contact."""
    quiet_minutes: float = Field(30, ge=1, le=1440)
    """After anything that was said in a conversation no job writes into it."""
    earliest: time = time(8)
    latest: time = time(21)
    """Contacts are written to between these times of your day."""
    unanswered: int = Field(2, ge=1, le=3)
    """After so many without an answer a contact is left in peace until it writes."""
    sent_per_hour: int = Field(3, ge=1, le=10)
    sent_per_day: int = Field(10, ge=1, le=30)
    """To all contacts together, what you approved included."""
    drafts_per_day: int = Field(5, ge=1, le=50)


class JobSettings(Section):
    """What the clone does without being written to: `secondme jobs`."""

    reach: Literal["self", "drafts", "allowed"] = "self"
    """How far jobs go. `self`: your own chat only. `drafts`: they also suggest words for contacts, which wait for you. `allowed`: those you allowed by
    name are also written to (`secondme jobs allow`)."""
    daily_usd: float = Field(0.5, ge=0)
    """What models may cost for jobs in a day, within `budget.daily_usd`."""
    run_usd: float = Field(0.1, ge=0)
    """What one question of a job may cost."""
    owed_hours: float = Field(4, ge=0.5, le=168)
    """Waking hours after which somebody who waits for you is named."""
    limits: JobLimits = JobLimits()


class LogSettings(Section):
    """What is written down. Never message text, names or codes."""

    level: Literal["debug", "info", "warning", "error"] = "info"
