"""Every key, with its type, lifetime and reason. Nowhere else is a key's name put together.

Names follow the predecessor's where it had one, so an existing installation's data is read as it is. A contact id comes out of
`ids.contact_id`, so no name can carry a stranger's text. Lifetimes are given to the scripts by the repositories.
"""

# How much is kept of what several stages write

HISTORY_CAP = 100
HISTORY_TTL_S = 604_800
"""The predecessor's: the newest 100 turns of a contact, for 7 days."""

INBOX_CAP = 200
"""Messages of one contact that wait."""

MAILBOX_TTL_MS = 30 * 86_400_000

SEEN_TTL_MS = 8 * 86_400_000
"""Message ids: longer than any platform re-delivers."""

USAGE_CAP = 10_000
"""Entries of the log of calls to models, the newest."""

TOLD_TTL_MS = 7 * 86_400_000
"""What the owner was told, and what was done once."""

# The keys

QUEUE = "QUEUE:messages"
"""STREAM, group `workers`: one token per contact that has mail. An entry is deleted when its token is done."""

QUEUE_GROUP = "workers"
"""The consumer group of the stream."""

QUEUE_LATER = "QUEUE:later"
"""ZSET contact -> due ms: tokens that wait for a pause, the night or the model. A member leaves when its token is released."""

QUEUE_ACTIVE = "QUEUE:active"
"""SET of contacts with mail, so that a repair can find one whose token was lost. A member leaves when its inbox is empty."""

DEAD_INDEX = "DEAD:index"
"""ZSET contact -> ms of the newest dead letter. Trimmed to the 1,000 newest."""

MISSED_INDEX = "MISSED:index"
"""ZSET contact -> ms of the newest message that came during a pause. A member leaves with the list."""

HISTORY_EXPIRING = "HISTORY:expiring"
"""ZSET contact -> ms when the first of its turns expires with its chat (disappearing messages). A member leaves with the last of them."""

HELD_INDEX = "HELD:index"
"""ZSET contact -> ms of the newest held reply. A member leaves with the contact's last one."""

PAUSE_ALL = "PAUSE:ALL"
"""STRING, ms as decimal text (not JSON): nobody is answered. With a lifetime for a timed pause, without for the kill switch."""

KILLED = "CONTROL:killed"
"""STRING "1" beside PAUSE:ALL when it is the kill switch and not a pause, so that `resume` does not lift it."""

PAUSED_INDEX = "CONTROL:paused"
"""ZSET contact, or ALL -> ms when its pause ends, or inf: so that the end of a pause can be said. A member leaves with its pause."""

PAIRING_STATS = "PAIRING:stats"
"""HASH pending_count, approved_count, denied_count; refreshed by every pairing script."""

PAIRING_PROMPTS = "PAIRING:prompts"
"""ZSET of the prompts of the last hour (score = ms): at most as many as an hour allows."""

PAIRING_WRONG = "PAIRING:wrong"
"""ZSET of the wrong codes of the last hour, over all contacts: at most as many as close the door."""

PAIRING_CLOSED = "PAIRING:closed"
"""STRING, ms as decimal text, for an hour after too many wrong codes: self-verification is closed, and invites from before."""

PAIRING_FRESH = "PAIRING:fresh"
"""STRING, wrong codes that may still be tried while the door is closed; from an invite that is made meanwhile until it opens again."""

PAIRING_FULL = "PAIRING:full"
"""STRING "1" for a minute: the full list was reported, do not report it again."""

INDEX_PENDING = "PAIRING:index:pending"
"""ZSET contact -> expiry ms. Swept by every pairing script that lists or counts."""

INDEX_APPROVED = "PAIRING:index:approved"
"""ZSET contact -> ms of approval. A member leaves with the approval."""

INDEX_DENIED = "PAIRING:index:denied"
"""ZSET contact -> expiry ms. Swept like the pending index."""

INDEX_INVITES = "PAIRING:index:invites"
"""ZSET code -> expiry ms of unused invites, at most 100."""

WITNESS = "HOME:witness"
"""HASH id: a random name of this store, which the home's own file knows too; removed: approvals that were taken back. Kept for ever."""

GATEWAYS = "GATEWAY:alive"
"""HASH instance -> JSON of its last sign of life. Entries older than a minute are removed by the next sign."""

STORE_CLOCK = "CLOCK:store"
"""HASH seen: the store's time when a gateway last looked; since: from when on it ran without a step or a silence. Kept for ever."""

RESTORING = "RESTORE:running"
"""STRING, the backup that is being put back: its digest, so that only the same one goes on after a kill. Never in a backup."""

PROBE = "DOCTOR:probe"
"""STRING, for the moment in which `secondme doctor` looks whether it may write, at most a minute. Never in a backup."""

EVENTS_PROBE = "events:probe"
"""What `secondme doctor` says to see whether it may; nobody listens."""

EVENTS_PAIRING = "events:pairing"
"""Requests, approvals, denials, revocations and what expired; codes are masked."""

EVENTS_PAUSE = "events:pause"
"""Pauses and their ends, of contacts, of channels and of everybody, and the kill switch."""

EVENTS_QUEUE = "events:queue"
"""Replies that were held, drafts that were settled or expired, dead letters."""

EVENTS_SECURITY = "events:security"
"""Events of the security log from `warn` on, contacts masked."""

EVENTS_STATUS = "events:status"
"""The states of gateways and channels."""

EVENTS = (EVENTS_PAIRING, EVENTS_PAUSE, EVENTS_QUEUE, EVENTS_SECURITY, EVENTS_STATUS)
"""All of them. Published JSON, which is also kept in the log for those who come back."""

NUDGES = "nudges"
"""What is to be looked at now, said to the processes that look after it: `outbox`, `later`, `channels` or `jobs`. Published JSON that nobody
keeps; every one of them also looks by itself."""

EVENTS_LOG = "EVENTS:log"
"""STREAM of what was published, as it was: channel and event. The 5,000 newest of 7 days; those of a contact leave when it is forgotten."""


def pending(contact: str) -> str:
    """STRING, PairingRequest JSON, until the code expires (30 min)."""
    return f"PAIRING:pending:{contact}"


def first_message(contact: str) -> str:
    """STRING, FirstMessage JSON: the first line of who waits, where the owner wants it kept; as long as the request."""
    return f"PAIRING:first:{contact}"


def approved(contact: str) -> str:
    """STRING, ApprovedContact JSON, until revoked."""
    return f"PAIRING:approved:{contact}"


def denied(contact: str) -> str:
    """STRING, DeniedContact JSON, until the cooldown ends (24 h)."""
    return f"PAIRING:denied:{contact}"


def code(digits: str) -> str:
    """STRING, the contact whose live request has this code; as long as the request."""
    return f"PAIRING:codes:{digits}"


def invite(digits: str) -> str:
    """STRING, Invite JSON, until used or expired."""
    return f"PAIRING:invites:{digits}"


def attempts(contact: str) -> str:
    """STRING, wrong codes of a contact; as long as a denial."""
    return f"PAIRING:attempts:{contact}"


def told(contact: str) -> str:
    """STRING "1": the contact was told once that the owner must approve; as long as its request."""
    return f"PAIRING:told:{contact}"


def history(contact: str) -> str:
    """ZSET ms -> Turn JSON, the 100 newest, 7 days after the last one."""
    return f"HISTORY:{contact}"


def history_ids(contact: str) -> str:
    """SET of message ids, the predecessor's and what versions up to 0.1 wrote. Nobody reads it; it ends with its lifetime of 7 days."""
    return f"HISTORY:{contact}:ids"


def seen(contact: str) -> str:
    """ZSET message id -> ms it was sent, the 20,000 newest of 8 days: these were decided about. Platforms re-deliver for a week. It is also
    what the limit counts, by when messages were sent; an album is a member of its own, and its parts are put a window earlier. What we
    said ourselves, which a platform may show us, has its ms below zero, where no limit counts it; so has what only the history tells, and
    what came a day late or later, which counts as a member of its own.

    One set and not a key for each message: that cost more than any other step of the gate.
    """
    return f"SEEN:{contact}"


def pause(contact: str) -> str:
    """STRING, Pause JSON, until resumed; with a lifetime when the pause ends by itself."""
    return f"PAUSE:{contact}"


def channel_pause(channel: str) -> str:
    """STRING, ms as decimal text: nobody on this channel is answered; until resumed."""
    return f"CHANNEL:paused:{channel}"


def channel_lease(channel: str) -> str:
    """STRING, JSON {holder, host, pid, home, account, since}: the gateway that serves a channel; until it is given back, or 15 s after the last renewal."""
    return f"CHANNEL:lease:{channel}"


CHANNEL_WISHES = "CHANNEL:wishes"
"""HASH channel -> JSON {on, at}: what the owner last wanted of it, connected or not. Without an entry a channel that is set up runs."""

OWNER_TOLD = "OWNER:told"
"""ZSET of what the owner was told (hash of its cause -> ms) and of what scripts do once (`once:` and a hash), so that nothing is told or done
twice; a week back, at most 5,000."""

OWNER_COMMANDS = "OWNER:commands"
"""ZSET of the message ids from the owner's own chat (id -> ms), so that a command that is delivered twice runs once; 8 days."""


def inbox(contact: str) -> str:
    """LIST of Mail JSON, oldest first, at most 200; popped when answered."""
    return f"INBOX:{contact}"


def mailbox(contact: str) -> str:
    """HASH, who works on this contact: token, fence, lease_owner, lease_until, attempts, head, defers, waiting, sending.

    30 days after the last step, so a fence outlives every lease and every re-delivery.
    """
    return f"MAILBOX:{contact}"


def missed(contact: str) -> str:
    """LIST of Mail JSON that came while its contact was not answered (pause, kill switch, flood), the 200 newest, 7 days; until it is
    answered, or the owner writes."""
    return f"MISSED:{contact}"


def dead(contact: str) -> str:
    """LIST of Mail JSON that could not be worked on, the 100 newest, 30 days."""
    return f"DEAD:{contact}"


def outbox(contact: str) -> str:
    """LIST of OutboxRow JSON, in the order of leaving; popped when sent, held or dropped."""
    return f"OUTBOX:{contact}"


def outbox_due(channel: str) -> str:
    """ZSET contact -> ms of the next step of the head of its outbox. A member leaves when the outbox is empty."""
    return f"OUTBOX:due:{channel}"


def speech_told(contact: str) -> str:
    """STRING "1": the contact was told that the voice it hears is made by a machine; until the contact is forgotten."""
    return f"SPEECH:told:{contact}"


def held(contact: str) -> str:
    """LIST of HeldReply JSON, the 50 newest, 30 days."""
    return f"HELD:{contact}"


def last_reply(contact: str) -> str:
    """STRING, ms when a reply last left; 1 h. For the cognitive pause."""
    return f"HTS:lastMessage:{contact}"


CONTACTS = "CONTACTS:list"
"""STRING, JSON array of {id, name, phoneNumber}: the owner's address book as the predecessor saw it, at most 1 MiB. For display names."""

CONTACTS_UPDATED = "CONTACTS:lastUpdated"
"""STRING, ms as decimal text: when the address book was read."""

TOKEN_USAGE = "LOGS:token_usage"  # noqa: S105  tokens of a model
"""ZSET ms -> JSON, what one reply cost; the 10,000 newest."""

DEFERRED = "DEFERRED:messages"
"""ZSET of the predecessor's, wake ms -> JSON: messages that waited for the morning. Read elsewhere, never written."""

SLEEP_HOURS = "CONFIG:sleep_hours"
"""STRING of the predecessor's, JSON. Read elsewhere, never written: ours are settings."""

SESSION = "SESSION:whatsapp:info"
"""STRING of the predecessor's, JSON. Read elsewhere, never written: a linked device cannot be moved."""


def style(contact: str) -> str:
    """STRING, JSON, how the owner writes to a contact; 7 days after the last sample."""
    return f"STYLE:data:{contact}"


def relationship(contact: str) -> str:
    """HASH, what a contact may be to the owner: a score for each type, currentType, currentConfidence, signalCount, lastUpdated; 90 days."""
    return f"RELATIONSHIP:scores:{contact}"


def relationship_override(contact: str) -> str:
    """STRING "1": the owner said what a contact is, and no score changes it; until the owner says otherwise."""
    return f"RELATIONSHIP:manual_override:{contact}"


def token_stats(day: str) -> str:
    """HASH of counters for one UTC day (YYYY-MM-DD), the predecessor's and ours (micros: millionths of a dollar; `model:<name>:...`); 30 days."""
    return f"STATS:tokens:{day}"


def person_of(contact: str) -> str:
    """STRING, the person that the owner linked a contact to; until unlinked."""
    return f"PERSON:of:{contact}"


def person(identity: str) -> str:
    """SET of the contacts that are one person; a member leaves when it is unlinked."""
    return f"PERSON:members:{identity}"


def own_messages(contact: str) -> str:
    """HASH id -> OwnMessage JSON: what the owner wrote to a contact with their own hands, live and imported, the 300 newest; until forgotten."""
    return f"STYLE:own:{contact}"


def style_cache(contact: str) -> str:
    """STRING, StyleProfile JSON made from the contact's own messages; 30 min, deleted when one is added."""
    return f"CACHE:style:{contact}"


STYLE_OVERALL = "STYLE:overall"
"""HASH id -> JSON of the measures of one message of the owner's, to whomever; numbers, emoji and words of a fixed list, never text or
names. The 1,000 newest."""

PERSONA_USE = "PERSONA:use"
"""HASH `default` or `relationship:<type>` -> persona id: what the owner chose on the command line or the screen."""


MODEL_OUTAGES = "MODEL:outages"
"""HASH account, large or small -> JSON of why the model's server refuses until a human acts, and since when; `told:` before it: since when
that the owner was told of. 30 days after the last change."""


def trace(contact: str) -> str:
    """LIST of JSON, the stages that a contact's messages passed, oldest first: the 400 newest, 7 days after the last one."""
    return f"TRACE:{contact}"


def spent(contact: str) -> str:
    """HASH `<UTC day>:<calls|input|output|cache_read|cache_write|micros>` -> count: what a contact's replies cost; 90 days."""
    return f"SPENT:{contact}"


def broken(key: str) -> str:
    """STRING, LIST or whatever else stood under another key and had the wrong type there: `secondme doctor --fix` put it here, for 30 days."""
    return f"BROKEN:{key}"


SKILLS_STATE = "SKILLS:state"
"""HASH skill -> enabled or disabled, as the owner last wanted; a field leaves with its skill. Trust in code is a file, never here."""

SKILL_CALLS = "SKILLS:calls"
"""STREAM of what tools did: skill, tool, code, ms and the contact; never what was asked or told. The 10,000 newest."""

SKILLS_SHARED = "SKILLS:shared"
"""HASH, what skills remember for everybody, as `skill_memory`; 180 days after the last change."""


def skill_config(skill: str) -> str:
    """HASH setting -> JSON, what the owner chose for a skill, secrets never; until the skill is removed."""
    return f"SKILLS:config:{skill}"


def skill_memory(contact: str) -> str:
    """HASH skill and key, a line each -> JSON, what skills remember about a contact, and skill -> its bytes; 180 days after the last change."""
    return f"SKILLS:kv:{contact}"


MEDIA_DUE = "MEDIA:due"
"""ZSET contact -> ms when what came with its messages is to be read next, by the process that holds its channel. A member leaves when nothing
is left to be read."""

MEMORY_ON = "MEMORY:on"
"""STRING, while a gateway of this store keeps a memory, and what is said is also written into journals: "1" until what was said before is
remembered as well, then "2". Until a gateway runs that keeps none."""

MEMORY_DUE = "MEMORY:due"
"""ZSET contact -> ms since when its journal waits to be read into memory. A member leaves with what it waits for."""

MEMORY_EXPIRING = "MEMORY:expiring"
"""ZSET contact -> ms when the first of what is remembered expires with its chat. A member leaves with the last of it."""


def memory_journal(contact: str) -> str:
    """LIST of JSON, what was said with a contact, changed or taken back since memory last read it, oldest first: Turn, or `gone` and an id.
    The 5,000 newest, 30 days after the last; each leaves once it is in the contact's file."""
    return f"MEMORY:journal:{contact}"


def memory_forgotten(contact: str) -> str:
    """ZSET message id -> ms when the owner forgot it, and `*` -> when they forgot all: what histories still hold of it is not remembered again.
    The 10,000 newest, 8 days after the last, when no history holds any of it."""
    return f"MEMORY:forgotten:{contact}"


def birthday(contact: str) -> str:
    """HASH, when a contact has their birthday: `known` -> Birthday JSON, a date and whose word it is, and `refused` -> the MM-DD that the owner
    cleared; until forgotten."""
    return f"FACTS:birthday:{contact}"


def promise(contact: str) -> str:
    """HASH message id -> Promise JSON, what the owner promised a contact, in their own words, the 50 newest; settled ones without words, the
    200 newest. 30 days after the last; each entry leaves then too."""
    return f"FACTS:promise:{contact}"


PROPOSALS_INDEX = "PROPOSALS:index"
"""ZSET contact -> ms when the last of its proposals expires. A member leaves with the list."""


def proposals(contact: str) -> str:
    """HASH id -> JSON, what skills would do for a contact once the owner says so; 48 h after the newest."""
    return f"PROPOSALS:of:{contact}"


# Jobs

JOBS_INDEX = "JOBS:index"
"""ZSET job -> ms when it was made, at most 100: all of them."""

JOBS_DUE = "JOBS:due"
"""ZSET job -> ms of its next step. A member leaves when there is none."""

BACKUP_AT = "BACKUP:at"
"""STRING, Unix ms when the last backup was made; kept for ever."""

JOBS_OFF = "JOBS:off"
"""STRING "1": no job runs by itself; until the owner says otherwise."""

JOBS_COUNTS = "JOBS:counts"
"""HASH outcome -> how often a run of a job came to it; kept for ever."""

JOBS_FATES = "JOBS:fates"
"""LIST of JSON, what became of rows that jobs wrote, oldest first: job, occurrence, row, outcome, and the platform's id of what was sent. The 2,000
newest, 90 days. Never words."""


def job_definition(job: str) -> str:
    """STRING, JobRecord JSON: what the owner wants; until it is removed."""
    return f"JOB:def:{job}"


def job_state(job: str) -> str:
    """HASH, how a job stands: rev, enabled, why, cursor (what lies behind it was decided about), occ, open, fence, attempts, runner,
    call, lease_until, fails, waits, runs, day, day_runs. As long as the job."""
    return f"JOB:state:{job}"


def job_ran(job: str) -> str:
    """ZSET occurrence -> ms of it, the 64 newest that ran or were passed over, so that none comes twice whatever clocks do. As long as the job."""
    return f"JOB:ran:{job}"


def job_log(job: str) -> str:
    """LIST of JSON, what became of a job's occurrences, oldest first: the 100 newest, 90 days. Never words."""
    return f"JOB:log:{job}"


def job_seen(job: str) -> str:
    """STRING, ms and a digest of what a job last told, so that nothing new is nothing said; 35 days."""
    return f"JOB:seen:{job}"


def job_calls(job: str) -> str:
    """LIST of JSON, what came with calls of a job that it has not run for, oldest first; at most 20, a day."""
    return f"JOB:calls:{job}"


def job_heard(job: str) -> str:
    """ZSET key of a call -> ms, so that one that is repeated runs nothing again, and too many are refused; 8 days."""
    return f"JOB:heard:{job}"


PROACTIVE_TOLD = "PROACTIVE:told"
"""ZSET job and occurrence -> ms: what jobs told the owner by themselves, 8 days. What limits count."""

PROACTIVE_SENT = "PROACTIVE:sent"
"""ZSET reply -> ms: what was sent to contacts without their having written, 8 days. What limits count."""

PROACTIVE_DRAFTS = "PROACTIVE:drafts"
"""ZSET reply -> ms: what jobs laid before the owner for contacts, 8 days. What limits count."""


def grants(contact: str) -> str:
    """HASH category -> ms until when jobs may write to a contact by themselves, as the owner allowed."""
    return f"PROACTIVE:grant:{contact}"


def proactive_sent_to(contact: str) -> str:
    """ZSET reply -> ms: what was sent to a contact without its having written, 8 days."""
    return f"PROACTIVE:sent:{contact}"


def unanswered(contact: str) -> str:
    """STRING, how often a contact was written to by jobs since it last wrote; 90 days."""
    return f"PROACTIVE:unanswered:{contact}"


WEBHOOK_INDEX = "WEBHOOK:index"
"""ZSET endpoint -> ms when it was added, at most 20. A member leaves with the endpoint."""

WEBHOOK_COUNTS = "WEBHOOK:counts"
"""HASH sent, dead: how many deliveries arrived, and how many never did. Kept for ever."""


def webhook(endpoint: str) -> str:
    """STRING, WebhookEndpoint JSON, until removed. Without its secret."""
    return f"WEBHOOK:def:{endpoint}"


def webhook_secret(endpoint: str) -> str:
    """HASH, what its deliveries are signed with: current, previous, previousUntil (ms, 24 h after the change); until removed. Shown to nobody."""
    return f"WEBHOOK:secret:{endpoint}"


def webhook_state(endpoint: str) -> str:
    """HASH, how an endpoint stands: cursor (an id of the log of events), fence, sent, status, triedAt, succeededAt, failingSince, waitUntil,
    disabledAt, disabledWhy; until removed."""
    return f"WEBHOOK:state:{endpoint}"


def webhook_queue(endpoint: str) -> str:
    """ZSET message -> ms when it is tried next; while somebody tries it, when it is anybody's again. A member leaves when it is delivered or
    dead; no more than some 1,000 are taken in."""
    return f"WEBHOOK:queue:{endpoint}"


def webhook_messages(endpoint: str) -> str:
    """HASH message -> WebhookMessage JSON, and `:tries` and `:fence` of each. A field leaves with its message."""
    return f"WEBHOOK:messages:{endpoint}"


def webhook_dead(endpoint: str) -> str:
    """LIST of DeadWebhook JSON, the newest first: the 500 newest, 30 days."""
    return f"WEBHOOK:dead:{endpoint}"


OF_A_CONTACT = (
    pending,
    first_message,
    approved,
    denied,
    attempts,
    told,
    history,
    history_ids,
    seen,
    pause,
    inbox,
    missed,
    dead,
    outbox,
    held,
    speech_told,
    last_reply,
    style,
    relationship,
    relationship_override,
    person_of,
    own_messages,
    style_cache,
    trace,
    spent,
    skill_memory,
    proposals,
    memory_journal,
    memory_forgotten,
    grants,
    proactive_sent_to,
    unanswered,
    birthday,
    promise,
)
"""Every key that belongs to one contact alone, beside its mailbox. What is made for a contact must be added here, or forgetting forgets it."""

SETS_OF_CONTACTS = (
    QUEUE_LATER,
    DEAD_INDEX,
    HELD_INDEX,
    PAUSED_INDEX,
    MISSED_INDEX,
    HISTORY_EXPIRING,
    PROPOSALS_INDEX,
    MEDIA_DUE,
    MEMORY_DUE,
    MEMORY_EXPIRING,
)
"""Sorted sets with contacts as members, beside the pairing indexes."""
