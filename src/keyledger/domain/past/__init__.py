"""Time travel: what a partition held at a moment, what changed between two, and how to go back or branch off."""
