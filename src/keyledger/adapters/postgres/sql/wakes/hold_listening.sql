-- A lock that many share, and that nobody waits for: whoever writes sees by it that somebody listens.
SELECT pg_advisory_lock_shared(%(space)s::int, %(ledger)s::int)
