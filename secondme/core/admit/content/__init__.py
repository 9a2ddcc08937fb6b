"""Content analysis: what of a message the security log should mention. Detected and scored; the message itself is never touched."""

from secondme.core.admit.content.analysis import ContentAnalysis, ContentFlag, FlagType, analyze_content, describe

__all__ = ["ContentAnalysis", "ContentFlag", "FlagType", "analyze_content", "describe"]
