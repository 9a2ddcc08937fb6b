"""What about a message should the owner's security log mention? Detected and scored; the message itself is never touched."""

from secondme.core.admit.content.analysis import ContentAnalysis, ContentFlag, FlagType, analyze_content, describe

__all__ = ["ContentAnalysis", "ContentFlag", "FlagType", "analyze_content", "describe"]
