"""The words that a skill may use where a word is asked for. ValidateOptions adds to each of these sets."""

from __future__ import annotations

MODEL_TIERS = ("fast", "standard", "thinking")

OUTPUT_KINDS = ("reply", "channel", "user", "key", "none")
"""Where an answer goes: back to the caller, to a channel, to a user, under a key of the skill, nowhere."""

INPUT_TYPES = ("string", "integer", "number", "boolean", "array", "object")
"""JSON Schema's types, but for null: a parameter that is not required may be left out."""

SHARED = "shared"

VISIBILITIES = ("private", SHARED, "public")
