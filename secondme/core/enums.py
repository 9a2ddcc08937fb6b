"""The words an owner chooses among. Apart from the records, so that a command can offer them without importing pydantic."""

from enum import StrEnum


class Tier(StrEnum):
    """How far a contact is trusted. Rights follow from it in code, never from what a model says."""

    TRUSTED = "trusted"
    """Answered automatically; may cause writing skills."""
    STANDARD = "standard"
    """Answered automatically; reading skills only."""
    RESTRICTED = "restricted"
    """Every reply is a draft the owner approves; no skills."""


class PairingMode(StrEnum):
    """Who opens the door."""

    OWNER = "owner"
    """Only the owner redeems a code."""
    SELF_VERIFY = "self_verify"
    """The contact's own correct code approves it."""


class State(StrEnum):
    """Where a contact stands at the door."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"


class ReplyMode(StrEnum):
    """What happens to a contact's messages. The owner's word for one contact; unsaid, the tier decides."""

    AUTO = "auto"
    """Answered."""
    DRAFT = "draft"
    """Every reply is a draft the owner approves."""
    OBSERVE = "observe"
    """Kept and learnt from; nothing is composed, nothing is said."""
    OFF = "off"
    """Neither answered nor kept, as if they had not written."""


class Relationship(StrEnum):
    """What a contact is to the owner."""

    COLLEAGUE = "colleague"
    CLIENT = "client"
    MANAGER = "manager"
    FRIEND = "friend"
    ACQUAINTANCE = "acquaintance"
    FAMILY = "family"
    ROMANTIC_PARTNER = "romantic_partner"


class Thinking(StrEnum):
    """How much a model thinks before it speaks."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
