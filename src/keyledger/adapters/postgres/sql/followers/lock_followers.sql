-- Followers wait for whoever begins or swaps a generation, and nobody else does: the ledger has no use for this table.
LOCK TABLE follower IN SHARE ROW EXCLUSIVE MODE
