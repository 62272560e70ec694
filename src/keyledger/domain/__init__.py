"""The rules: pure deciders, the ports they ask the world through, and the ledger that users hold."""
