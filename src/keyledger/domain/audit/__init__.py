"""The audit of runs: what users hold, what records, what reads, and what it asks of a store."""
