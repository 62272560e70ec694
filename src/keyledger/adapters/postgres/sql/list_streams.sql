-- Streams in use, by name: a range, so that a page costs its own length.
SELECT h.partition_id, h.revision,
    h.used_bytes - coalesce((
        SELECT sum(c.size) FROM current_value AS c
        WHERE c.partition_id = h.partition_id AND c.expires_at <= greatest(%(now)s, h.last_recorded_at)
    ), 0),
    h.live_keys - (
        SELECT count(*) FROM current_value AS c
        WHERE c.partition_id = h.partition_id AND c.expires_at <= greatest(%(now)s, h.last_recorded_at)
    ),
    h.max_bytes
FROM partition_head AS h
WHERE h.partition_id >= %(first)s AND h.partition_id < %(beyond)s AND h.revision > 0 AND NOT h.deleted
ORDER BY h.partition_id
LIMIT %(limit)s
