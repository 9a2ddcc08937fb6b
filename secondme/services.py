"""Services: one lazy object per home that builds everything from its settings and its store. The only place that wires.

It stands between `cli` and the channels and is handed down; nothing below imports it. Imports are inside the properties, so that whoever
holds it pays only for what it uses.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from secondme.conversation_services import ConversationServices
from secondme.core.clock import SystemClock
from secondme.core.errors import ConfigError, SecondmeError
from secondme.stores import time_zone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from secondme.core.admit.contacts import ContactService, ReplyModes
    from secondme.core.admit.pairing import PairingService
    from secondme.core.admit.pauses import PauseService
    from secondme.core.api.app import WebServer
    from secondme.core.api.limits import Limits
    from secondme.core.api.listeners import Api
    from secondme.core.api.webhooks import Webhooks
    from secondme.core.channel_manifest import Manifest
    from secondme.core.channel_plugin import ChannelContext, ChannelFactory
    from secondme.core.config.loader import Settings, Setup
    from secondme.core.gateway.channel_supervisor import ChannelSupervisor
    from secondme.core.gateway.gateway import Gateway, GatewayParts, Part
    from secondme.core.gateway.lifecycle import Lifecycle
    from secondme.core.gateway.owner_chat import OwnerChat
    from secondme.core.gateway.status import SystemStatus
    from secondme.core.ids import ContactId
    from secondme.core.memory.fact_reader import FactReader
    from secondme.core.messages import OwnerAddress, ToolResult
    from secondme.core.ports import Channel, Model, Toolbox
    from secondme.core.remember.learning import Learner
    from secondme.core.reply.agent import Agent
    from secondme.core.reply.owner_turn import OwnerTurn
    from secondme.core.reply.personas import PersonaLibrary
    from secondme.core.reply.tool_loop import ToolLimits, ToolLoop
    from secondme.core.reply.voice import Voices
    from secondme.core.store.client import Store
    from secondme.core.store.server import Role
    from secondme.core.tokens import Caller
    from secondme.core.tools.proposals import ProposalService
    from secondme.core.tools.rights import GrantedTool
    from secondme.core.tools.sources import ContactSource, KnownContact
    from secondme.core.tools.store import Proposal
    from secondme.core.tools.web import WebClient
    from secondme.skills.catalog import SkillCatalog
    from secondme.skills.desk import SkillDesk
    from secondme.skills.lock import McpServerApproval
    from secondme.skills.mcp.catalog import McpCatalog
    from secondme.skills.mcp.confined import Bubblewrap
    from secondme.skills.mcp.pins import Listings, ServerStanding
    from secondme.skills.mcp.servers import McpServers
    from secondme.skills.registry import Skill, SkillRegistry
    from secondme.skills.sandbox.sandbox import Sandbox
    from secondme.skills.sealed_reader import SealedReader
    from secondme.skills.toolbox import SkillToolbox

BY_CLI, BY_API, BY_CHAT = "cli", "api", "owner-chat"
"""Who decided, in the records."""


class Services(ConversationServices):
    """Everything that one home offers over one connection to its store. `by` is who decides, as the records say."""

    def __init__(self, setup: Setup, store: Store, by: str = BY_CLI, *, clock: SystemClock | None = None) -> None:
        super().__init__(setup, store, by, clock=clock)
        self._others: list[Services] = []
        self._bubblewrap: Bubblewrap | None = None

    async def close(self) -> None:
        """What was started here has ended; the connection is whoever's it was. Repeatable."""
        for each in self._others:
            await each.close()
        if "sandbox" in vars(self):
            await self.sandbox.close()
        if "mcp_servers" in vars(self):
            await self.mcp_servers.close()
        await self.close_media()
        if "memory_keeper" in vars(self):
            await self.memory_keeper.close()
        elif "memories" in vars(self):
            self.memories.close()

    # What the owner decides

    @cached_property
    def pairing(self) -> PairingService:
        """Approving, denying, revoking, inviting."""
        from secondme.core.admit.pairing import PairingService

        return PairingService(self.pairing_store, self.persons, self.security, self.forget_rehearsals, by=self.by)

    @cached_property
    def contacts(self) -> ContactService:
        """Linking contacts to one person, and forgetting them."""
        from secondme.core.admit.contacts import ContactService
        from secondme.core.channel_manifest import manifests
        from secondme.core.channel_plugin import setup_of

        async def erase_files(contact: ContactId) -> None:
            for manifest in manifests():
                setup_of(manifest).forget(channel_context(manifest, self.setup), contact)
            self.shelf.forget(contact)
            self.forget_rehearsals(contact)
            await self.jobs.forget(contact)
            if self.setup.places.memory.exists():
                await self.memory_keeper.forget_contact(contact)

        return ContactService(self.persons, self.pairing_store, self.security, erase_files, by=self.by)

    @cached_property
    def answering(self) -> ReplyModes:
        """How single contacts are answered."""
        from secondme.core.admit.contacts import ReplyModes

        return ReplyModes(self.choices, self.security, by=self.by)

    @cached_property
    def pauses(self) -> PauseService:
        """Pauses and the kill switch."""
        from secondme.core.admit.pauses import PauseService

        return PauseService(self.control, self.pairing_store, self.persons, self.security, by=self.by)

    @cached_property
    def personas(self) -> PersonaLibrary:
        """The owner's persona files."""
        return persona_library(self.setup)

    async def status(self) -> SystemStatus:
        """How things stand now."""
        from secondme.core.channel_manifest import manifests
        from secondme.core.gateway.status import overview

        control, pairing, cap = self.control, self.pairing_store, self.settings.budget.daily_usd
        embedded = self.settings.redis_url is None
        found = await overview(control, pairing, manifests(), embedded=embedded, glance=self.activity, cap_usd=cap)
        return replace(
            found, recipients=tuple(self.settings.memory.recipients), media=self.media_use, jobs=await self.jobs.standing()
        )

    # The clone

    @cached_property
    def voices(self) -> Voices:
        """In whose voice contacts are answered."""
        from secondme.core.reply.voice import Voices

        file = self.settings.persona.file
        return Voices(self.personas, self.persona_use, self.style, file, self.clock)

    def fact_reader(self, model: Model) -> FactReader:
        """What reads facts out of a conversation that is over, with the small model."""
        from secondme.core.admit.pairing import channel_of
        from secondme.core.memory.fact_reader import FactReader

        async def may_ask(contact: ContactId) -> bool:
            return await self.control.may_be_answered(contact, channel_of(contact))

        return FactReader(self.budget(model).ask, may_ask, self.settings.persona.name)

    def agent(self, model: Model) -> Agent:
        """What composes replies."""
        from secondme.core.reply.agent import Agent

        zone = time_zone(self.settings)
        agent = Agent(self.budget(model), self.outages, self.contexts, self.voices, self.settings, zone, self.clock)
        agent.tools = self.tool_loop(self.toolbox)
        agent.memory = self.memory if self.settings.memory.enabled else None
        agent.pictures = self.album if self.settings.sight.enabled else None
        return agent

    def owner_turn(self, model: Model) -> OwnerTurn:
        """What answers the owner's own questions."""
        from secondme.core.reply.owner_turn import OwnerTurn

        turn = OwnerTurn(self.budget(model), self.contexts, self.voices, self.settings, time_zone(self.settings), self.clock)
        turn.memory = self.memory if self.settings.memory.enabled else None
        return turn

    # Skills

    @cached_property
    def skills(self) -> SkillRegistry:
        """Every skill, and how it stands."""
        from secondme.skills.lock import SkillLock, Snapshots
        from secondme.skills.registry import SkillRegistry

        places, typed = self.setup.places, self.settings.skills.directory
        directory = Path(typed).expanduser() if typed else places.skills
        lock, snapshots = SkillLock(places.skills_lock), Snapshots(places.skill_snapshots)

        def look_at_server(name: str, approval: McpServerApproval) -> ServerStanding:
            from secondme.skills.mcp.pins import standing_of

            return standing_of(name, approval, self.mcp_listings.load(name), self._find_bubblewrap)

        has_secret = lambda skill, name: name in self.skill_secrets(skill)  # noqa: E731
        registry = SkillRegistry(directory, lock, snapshots, self.skill_store, has_secret, look_at_server=look_at_server)
        if not self.settings.memory.enabled:
            off = ("Memory is off.", "secondme config set memory.enabled true")
            registry.lacking = dict.fromkeys(("memory", "knowledge-graph"), off)
        return registry

    @cached_property
    def sandbox(self) -> Sandbox:
        """Where the code of skills runs. Nothing is started before the first call."""
        from secondme.skills.sandbox.sandbox import Sandbox

        return Sandbox(self.clock)

    @cached_property
    def mcp_listings(self) -> Listings:
        """What MCP servers were last seen to offer."""
        from secondme.skills.mcp.pins import Listings

        return Listings(self.setup.places.mcp_listings)

    @cached_property
    def mcp_servers(self) -> McpServers:
        """MCP servers while they run. Nothing is started before the first call."""
        from secondme.skills.mcp.servers import McpServers

        lock = self.skills.lock
        return McpServers(lock.read_servers, self.mcp_listings, self.skill_secrets, self._find_bubblewrap, self.clock)

    def _find_bubblewrap(self) -> Bubblewrap:
        """bubblewrap, which is tried again only while it does not work."""
        from secondme.skills.mcp.confined import find_bubblewrap

        if self._bubblewrap is None or self._bubblewrap.why_not:
            self._bubblewrap = find_bubblewrap()
        return self._bubblewrap

    @cached_property
    def mcp_catalog(self) -> McpCatalog:
        """Decisions about MCP servers."""
        from secondme.skills.mcp.catalog import McpCatalog

        return McpCatalog(self.skills, self.mcp_servers, self.mcp_listings, self.clock, self.security, self.by)

    @cached_property
    def toolbox(self) -> Toolbox:
        """What the clone may use while it writes; skills are imported at the first look."""
        from secondme.core.tools.toolbox import DeferredToolbox

        return DeferredToolbox(self.skill_store, lambda: self.skill_toolbox)

    async def changing_tools(self) -> set[str]:
        """The tools, of skills that are on, that change something."""
        from secondme.core.tools.manifest import is_write

        on = [skill for skill in await self.skills.all() if skill.is_on]
        return {each.name for skill in on for each in skill.tools if is_write(each.manifest, each.tool)}

    @cached_property
    def skill_catalog(self) -> SkillCatalog:
        """Taking skills in, approving them, switching them on and off."""
        from secondme.skills.catalog import SkillCatalog

        return SkillCatalog(self.skills, self.clock, self.security, self.by)

    @cached_property
    def skill_desk(self) -> SkillDesk:
        """Skills as the owner sees and steers them."""
        from secondme.skills.desk import SkillDesk

        async def health(skill: Skill) -> str | None:
            return await self.skill_toolbox.health(skill)

        return SkillDesk(self.skills, self.skill_catalog, self.skill_secret_names, self.keep_skill_secret, health)

    @cached_property
    def proposals(self) -> ProposalService:
        """What skills would change, and the owner decides."""
        from secondme.core.tools.proposals import ProposalService

        async def carry_out(proposal: Proposal) -> ToolResult:
            return await self.skill_toolbox.carry_out(proposal)

        return ProposalService(self.skill_store, carry_out, self.security, self.by)

    def tool_loop(self, toolbox: Toolbox, limits: ToolLimits | None = None) -> ToolLoop:
        """What composes with tools."""
        from secondme.core.admit.content.injection import FLAGGED_FROM, score_injection
        from secondme.core.reply.tool_loop import ToolLoop

        def is_suspect(text: str) -> bool:
            return score_injection(text).score >= FLAGGED_FROM

        return ToolLoop(toolbox, self.clock, self.control.may_be_answered, is_suspect, limits)

    @cached_property
    def web_client(self) -> WebClient:
        """What asks other servers for skills."""
        from secondme.core.tools.web import WebClient

        return WebClient()

    async def _known_contacts(self, contact: str) -> list[KnownContact]:
        """The approved contacts that are one person with `contact`; everybody for an empty one."""
        from secondme.core.ids import ContactId
        from secondme.core.tools.sources import KnownContact, digits

        if contact:
            members = await self.persons.members(ContactId(contact))
            found = [await self.pairing_store.approved(each) for each in members]
        else:
            found = [*(await self.listing()).approved]
        return [
            KnownContact(each.shown_name, digits(each.phone_number, ""), f"{each.approved_at:%Y-%m-%d}") for each in found if each
        ]

    @cached_property
    def sealed_reader(self) -> SealedReader:
        """What reads strangers' files and answers for the gateway."""
        from secondme.skills.sealed_reader import SealedReader

        return SealedReader(self.skills, self.sandbox, str(time_zone(self.settings)), self.clock)

    @cached_property
    def contact_source(self) -> ContactSource:
        """The owner's files of cards, where the skill `contacts` has some."""
        from secondme.core.tools.sources import ContactSource

        return ContactSource(self.sealed_reader.settings, self.sealed_reader.read, self._known_contacts)

    @cached_property
    def skill_toolbox(self) -> SkillToolbox:
        """The tools of this home's skills."""
        from secondme.core.tools.asks import AskDesk
        from secondme.core.tools.calendar import CalendarSource
        from secondme.core.tools.conversation import ConversationSource, MemorySource, later
        from secondme.core.tools.sources import NoteSource
        from secondme.job_desk import reminder_source
        from secondme.skills.toolbox import SkillToolbox

        owner_zone = time_zone(self.settings)
        zone, reader = str(owner_zone), self.sealed_reader
        calendar = CalendarSource(self.web_client, reader.settings, self.skill_secrets, reader.read, owner_zone, self.clock)
        reminders = reminder_source(self)
        conversation = ConversationSource(self.history.recent, self.tell_owner, self.clock)
        more = {
            "history": conversation.history,
            "notify": conversation.notify,
            "memory": MemorySource(self.memory_desk.search, self.memory_desk.facts).answer,
            "remind": reminders.add,
            "reminders": reminders.all,
            "note_add": later,
            "calendar": calendar.answer,
            "calendar_add": calendar.add,
            "contacts": self.contact_source.answer,
            "notes": NoteSource(reader.settings).answer,
        }
        desk = AskDesk(self.skill_store, self.web_client, more)
        toolbox = SkillToolbox(self.skills, self.sandbox, desk, self.skill_secrets, self.security, zone, self.clock)

        async def ask_server(granted: GrantedTool, given: Mapping[str, object]) -> ToolResult:
            return await self.mcp_servers.call(granted.manifest.name, granted.tool, given)

        toolbox.ask_server = ask_server
        return toolbox

    async def tell_owner(self, text: str) -> bool:
        """The text is on its way to the owner's own chat; false where no gateway knows one. Raises UnavailableError."""
        from secondme.core.ids import ContactId

        for channel in (await self.status()).channels:
            if channel.owner_chat and channel.state == "connected":
                await self.notes.say(channel.id, ContactId(channel.owner_chat), text)
                return True
        return False

    async def own_chats(self) -> list[OwnerAddress]:
        """Where the owner can be told things: connected channels first, then those that are away, as their set-up knows them; a terminal of this
        machine last. Empty while nobody said who the owner is on any of them."""
        from operator import attrgetter

        from secondme.core.channel_manifest import manifests, needs_link
        from secondme.core.channel_plugin import setup_of
        from secondme.core.ids import ChannelId, ContactId
        from secondme.core.messages import OwnerAddress

        known: dict[str, OwnerAddress] = {}
        for channel in (await self.status()).channels:
            if channel.owner_chat:
                is_open = channel.state == "connected"
                at_home = not needs_link(channel.id)
                known[channel.id] = OwnerAddress(
                    ChannelId(channel.id), ContactId(channel.owner_chat), is_open=is_open, is_terminal=at_home
                )
        for manifest in manifests():
            module = await asyncio.to_thread(setup_of, manifest)  # the first time it is imported: nobody waits for that meanwhile
            context = channel_context(manifest, self.setup)
            ask = getattr(module, "owner_chat", None)
            if ask is None or manifest.id in known:
                continue
            with contextlib.suppress(SecondmeError):
                chat = ask(context) if module.is_set_up(context) else None
                if chat is not None:
                    at_home = not manifest.needs_link
                    known[manifest.id] = OwnerAddress(ChannelId(manifest.id), chat, is_open=False, is_terminal=at_home)
        return sorted(known.values(), key=attrgetter("rank"))

    def until_awake_s(self) -> float:
        """In how many seconds the owner can be told what can wait; 0 while they are awake."""
        from random import SystemRandom

        from secondme.core.send.pacing import SleepSchedule

        return SleepSchedule(self.settings.sleep).put_off_s(self.clock.now(), SystemRandom())

    def skill_secrets(self, skill: str) -> dict[str, str]:
        """The secrets of a skill as they are kept now."""
        kept = self.setup.again().settings.skill_secrets.get(skill.replace("-", "_"), {})
        return {name: value.get_secret_value() for name, value in kept.items()}

    def skill_secret_names(self, skill: str) -> set[str]:
        """Which secrets of a skill are kept."""
        return set(self.skill_secrets(skill))

    def keep_skill_secret(self, skill: str, name: str, value: str | None) -> str:
        """The secret of a skill is kept where all secrets are; None: nowhere any more. Returns the place. Raises ConfigError."""
        from secondme.core.config.loader import keep_secret

        places = self.setup.places
        home = places.config if places.is_apart else None
        return keep_secret(places, f"skill_secrets.{skill.replace('-', '_')}.{name}", value, home=home)

    @contextlib.asynccontextmanager
    async def asking_claude(self, toolbox: Toolbox | None = None, limits: ToolLimits | None = None) -> AsyncIterator[OwnerTurn]:
        """`owner_turn` with Claude behind it, for the length of one command: its connections are closed afterwards. With a `toolbox` it may
        use tools, within `limits`."""
        from secondme.core.providers.claude import Claude

        claude = Claude(self.settings.model)
        turn = self.owner_turn(claude)
        turn.tools = None if toolbox is None else self.tool_loop(toolbox, limits)
        try:
            yield turn
        finally:
            await claude.close()

    @cached_property
    def learner(self) -> Learner:
        """What learns from what the owner and their contacts write."""
        from secondme.core.remember.learning import Learner

        return Learner(self.style, self.relationships, self.clock, self.occasion_learner)

    # The gateway, and what it listens on

    def deciding(self, by: str) -> Services:
        """The same home over the same connection, for decisions that the records ascribe to `by`."""
        self._others.append(Services(self.setup, self.store, by, clock=self.clock))
        return self._others[-1]

    @cached_property
    def owner_chat(self) -> OwnerChat:
        """The owner's own chat, on whichever channel it is."""
        from secondme.core.gateway.draft_commands import DraftCommands
        from secondme.core.gateway.job_commands import JobCommands
        from secondme.core.gateway.owner_chat import Commands, OwnerChat
        from secondme.job_desk import job_desk

        there = self.deciding(BY_CHAT)
        jobs = JobCommands(job_desk(there), self.occasions, self.jobs.call, self.jobs.now_ms)
        drafts = DraftCommands(self.draft_views, self.clock)
        commands = Commands(there.pairing, there.pauses, drafts, self.listing, self.status, there.proposals, jobs)
        return OwnerChat(commands, self.notes, self.outages, self.follow, self.security, self.clock)

    def gateway_parts(self, model: Model, channels: Sequence[ChannelFactory] | None = None) -> GatewayParts:
        """What a gateway is made of; `channels`: others than those of this home."""
        from secondme.core.admit.gate import Gate
        from secondme.core.admit.inspection import Inspector
        from secondme.core.admit.pairing import PairingRequests
        from secondme.core.admit.store import GateStore, RequestStore
        from secondme.core.gateway.channel_leases import ChannelLeases
        from secondme.core.gateway.gateway import GatewayParts
        from secondme.core.ids import new_id
        from secondme.job_desk import asking, timekeeper

        settings, store, security = self.settings, self.store, self.security
        if settings.memory.enabled and settings.memory.facts == "model":
            self.memory_feed.extract = self.fact_reader(model)
        door = PairingRequests(RequestStore(store, settings.pairing), settings, security)
        return GatewayParts(
            store=store,
            gate=Gate(GateStore(store, settings.limits, settings.takeover), door, security),
            security=security,
            inspector=Inspector(security, max_length=settings.content.max_length) if settings.content.analyze else None,
            inbox=self.inbox,
            outbox=self.outbox,
            pairing=self.pairing_store,
            control=self.control,
            drafts=self.draft_store,
            history=self.history,
            leases=ChannelLeases(self.control, self.setup.places.data, self.clock),
            agent=self.agent(model),
            learner=self.learner,
            channels=channel_factories(self.setup) if channels is None else channels,
            owner_chat=self.owner_chat,
            witness=self.witness,
            memory=self.memory_feed if self.settings.memory.enabled else None,
            journals=self.journals,
            media=self.media_reader(self.budget(model)),
            speech=self.speech_desk if self.settings.speech.enabled else None,
            timekeeper=timekeeper(self, new_id()[:8], asking(self, model)),
            webhooks=self.webhook_delivery(),
        )

    def gateway(self, model: Model, part: Part = "all", *, rng: Random | None = None) -> Gateway:
        """A gateway that has not started."""
        from secondme.core.gateway.gateway import Gateway

        return Gateway(self.gateway_parts(model), self.settings, self.clock, rng or SystemRandom(), part=part)

    def webhooks(self, gateway: Gateway) -> Webhooks | None:
        """The listener for platforms that call us; None when nobody can."""
        if not self.settings.webhooks.listen:
            return None
        from secondme.core.api.sockets import Address
        from secondme.core.api.webhooks import Webhooks

        host, _, port = self.settings.webhooks.listen.rpartition(":")
        address = Address(host.removeprefix("[").removesuffix("]"), int(port))
        return Webhooks(gateway.manager.webhook_handler, address, self.clock, refusal_of=gateway.manager.refusal_of)

    def api(
        self,
        is_stopping: Callable[[], bool],
        limits: Limits | None = None,
        channels: Callable[[], dict[str, str]] = dict,
        address_book: Callable[[str], ChannelSupervisor | None] = lambda _: None,
        lifecycle: Lifecycle | None = None,
    ) -> Api:
        """The HTTP API that has not started. What answers is imported when somebody calls."""
        from secondme.core.api.listeners import Api, Where
        from secondme.core.api.sockets import tcp_address

        places, settings = self.setup.places, self.settings.api
        where = Where(
            places.api_socket, tcp_address(settings), places.api_token, places.api_tokens, whole_token=settings.whole_token
        )
        return Api(where, partial(self._web_server, is_stopping, limits, channels, address_book, lifecycle))

    def _web_server(
        self,
        is_stopping: Callable[[], bool],
        limits: Limits | None,
        channels: Callable[[], dict[str, str]],
        address_book: Callable[[str], ChannelSupervisor | None],
        lifecycle: Lifecycle | None,
    ) -> WebServer:
        """What answers on the API's sockets. Takes a third of a second of imports."""
        from secondme.agent_desk import AgentDesk
        from secondme.core.api.app import WebServer
        from secondme.core.api.auth import Alarms
        from secondme.core.api.dependencies import ApiOperations, StoreProbe
        from secondme.core.api.limits import Limits
        from secondme.core.security_log import SecurityEvent, Severity
        from secondme.job_desk import program_desk

        async def refused(why: str, count: int) -> None:
            await self.security.record(SecurityEvent.API_REFUSED, Severity.WARN, why=why, count=count)

        async def out_of_scope(caller: Caller, route: str, count: int) -> None:
            scopes = " ".join(sorted(caller.scopes))
            await self.security.record(
                SecurityEvent.API_TOKEN_REFUSED, Severity.WARN, token=caller.name, scopes=scopes, route=route, count=count
            )

        there = self.deciding(BY_API)
        powers = ApiOperations(
            pairing=there.pairing,
            pauses=there.pauses,
            drafts=self.drafts,
            draft_views=self.draft_views,
            conversations=self.conversation_desk,
            owner_messages=there.owner_messages,
            skills=there.skill_desk,
            proposals=there.proposals,
            agent=AgentDesk(self),
            memory=self.memory_desk,
            call_job=partial(self.jobs.call, by_program=True),
            webhooks=there.webhook_desk,
            jobs=lambda caller: program_desk(self, f"{BY_API}:{caller}" if caller else BY_API),
            people=self.pairing_store,
            status=self.status,
            everybody=self.control.everybody,
            pulse=StoreProbe(self.control.now_ms, self.clock),
            is_stopping=is_stopping,
            channels=channels,
            is_linked=partial(is_linked, self.setup),
            lifecycle=lifecycle,
            address_book=address_book,
        )
        alarms = Alarms(refused, out_of_scope)
        limits = limits or Limits()
        return WebServer(powers, self.clock, follow=self.follow_quietly, events=self.events, alarms=alarms, limits=limits)


@contextlib.asynccontextmanager
async def open_services(
    setup: Setup, role: Role | None = None, by: str = BY_CLI, *, waits: bool = False
) -> AsyncIterator[Services]:
    """The services of a home over a connected store; a short command borrows the running server or starts one for its own length.
    One that `waits` is content without a connection at first.

    Raises ConfigError for a home of its own that is not there, or no more: a typo would get an empty one."""
    from secondme.core.store.client import Store
    from secondme.core.store.server import Role

    role = role or Role.BORROW
    if role is Role.BORROW:
        refuse_missing(setup)
    async with Store(setup, role, waits=waits) as store:
        services = Services(setup, store, by)
        try:
            yield services
        finally:
            await services.close()


def refuse_missing(setup: Setup) -> None:
    """Raises ConfigError when the home that was typed is not there."""
    if setup.settings.redis_url is None and setup.places.is_apart and not setup.places.config.exists():
        raise ConfigError("no_home", f"There is no home at {setup.places.config}.", "secondme onboard")


def set_up_log(setup: Setup) -> None:
    """What this command decides is logged where the gateway logs too. Raises as `open_services` for a home that is not there."""
    from secondme.core import log
    from secondme.core.files import private_dir

    refuse_missing(setup)
    log.set_up(setup.settings.log.level, private_dir(setup.places.logs), console=False)


def build_model(settings: Settings, *, demo: bool) -> Model:
    """Claude; in a demo without a key, a stand-in that labels what it says."""
    from secondme.core.providers.claude import Claude
    from secondme.core.providers.stand_in import StandIn

    return StandIn() if demo and settings.model.api_key is None else Claude(settings.model)


def persona_library(setup: Setup) -> PersonaLibrary:
    """The owner's persona files, for which no store is needed."""
    from secondme.core.reply.personas import PersonaLibrary

    return PersonaLibrary(setup.places.personas)


def is_linked(setup: Setup, name: str) -> bool:
    """Whether the channel called `name` can be built from the settings as they are now. Raises NotFoundError for one that there is not."""
    from secondme.core.channel_manifest import manifest_of
    from secondme.core.channel_plugin import setup_of

    manifest = manifest_of(name)
    return setup_of(manifest).is_set_up(channel_context(manifest, setup.again()))


def channel_factories(setup: Setup) -> list[ChannelFactory]:
    """Every channel there is, with what builds it. It is built from the settings as they are then: a link made meanwhile counts."""
    from secondme.core.channel_manifest import manifests
    from secondme.core.channel_plugin import ChannelFactory, setup_of

    def factory(manifest: Manifest) -> ChannelFactory:
        def build() -> Channel | None:
            context = channel_context(manifest, setup.again())
            module = setup_of(manifest)
            return module.build(context) if module.is_set_up(context) else None

        return ChannelFactory(manifest, build)

    return [factory(manifest) for manifest in manifests()]


def channel_context(manifest: Manifest, setup: Setup) -> ChannelContext:
    """What a channel is built from: its own section of the settings, secrets as plain words, and a directory of its own."""
    from secondme.core.channel_plugin import ChannelContext
    from secondme.core.config.loader import channel_settings

    name, places = manifest.id, setup.places
    values = channel_settings(setup.settings, name)
    return ChannelContext(values, places.channel(name), SystemClock(), SystemRandom(), places.channel_socket(name))
