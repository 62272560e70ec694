-- The head counts what no event has ended; what has expired since comes off by the expiry index.
SELECT h.used_bytes - coalesce((
        SELECT sum(c.size) FROM current_value AS c
        WHERE c.partition_id = h.partition_id AND c.expires_at <= greatest(%(now)s, h.last_recorded_at)
    ), 0),
    h.live_keys - (
        SELECT count(*) FROM current_value AS c
        WHERE c.partition_id = h.partition_id AND c.expires_at <= greatest(%(now)s, h.last_recorded_at)
    ),
    h.max_bytes
FROM partition_head AS h
WHERE h.partition_id = %(stream)s
