"""The other way round: what a key that is found in the store is, of which type it must be, and whose it is."""

import re
from functools import cache
from typing import NamedTuple

from secondme.core.store import keys

TYPES = {
    name: kind
    for kind, names in {
        "string": "pending first_message approved denied code invite attempts told pause channel_lease channel_pause last_reply style relationship_override "
        "person_of speech_told style_cache pause_all killed pairing_closed pairing_fresh pairing_full restoring contacts contacts_updated sleep_hours "
        "session probe memory_on job_definition job_seen jobs_off unanswered webhook backup_at",
        "list": "inbox missed dead outbox held trace memory_journal job_log job_calls jobs_fates webhook_dead",
        "set": "history_ids person queue_active",
        "zset": "history history_expiring seen outbox_due queue_later dead_index held_index missed_index paused_index "
        "pairing_prompts pairing_wrong index_pending index_approved index_denied index_invites proposals_index media_due "
        "memory_due memory_expiring memory_forgotten owner_told owner_commands token_usage deferred jobs_index jobs_due "
        "job_ran job_heard proactive_told proactive_sent proactive_drafts proactive_sent_to webhook_index "
        "webhook_queue",
        "hash": "store_clock model_outages witness mailbox pairing_stats gateways channel_wishes relationship token_stats own_messages "
        "style_overall persona_use spent skills_state skills_shared skill_config skill_memory proposals job_state "
        "jobs_counts grants birthday promise webhook_secret webhook_state webhook_messages webhook_counts",
        "stream": "queue skill_calls events_log",
    }.items()
    for name in names.split()
}
"""Name in `keys` -> type of the key, as the server says it."""


class Known(NamedTuple):
    """What a key that is in the store is here: its name in `keys`, its type, and whose it is, empty for a key of everybody."""

    name: str
    type: str
    contact: str


def is_of_a_contact(name: str) -> bool:
    """True for the name, in `keys`, of a key that belongs to one contact alone."""
    return name == "mailbox" or getattr(keys, name, None) in keys.OF_A_CONTACT


def known(key: str) -> Known | None:
    """What `key` is; None for one that we never write."""
    for name, pattern in _patterns():
        if match := pattern.fullmatch(key):
            return Known(name, TYPES[name], match[1] if is_of_a_contact(name) else "")
    return None


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """How each key looks, the closest ones first: `OUTBOX:due:{channel}` before `OUTBOX:{contact}`."""
    made = {name: getattr(keys, name)("*") if hasattr(keys, name) else getattr(keys, name.upper()) for name in TYPES}
    ordered = sorted(made.items(), key=lambda item: ("*" in item[1], -len(item[1])))
    anything, contact = "(.+)", "(.*[:@].*)"  # HISTORY:local:ids is no set of ids of a contact called local
    return [
        (name, re.compile(re.escape(key).replace(r"\*", contact if is_of_a_contact(name) else anything), re.DOTALL))
        for name, key in ordered
    ]
