-- In a transaction of its own: NOTIFY takes a lock of the whole database at its commit.
SELECT pg_notify(%(channel)s, w.stream) FROM unnest(%(streams)s::text[]) AS w (stream)
