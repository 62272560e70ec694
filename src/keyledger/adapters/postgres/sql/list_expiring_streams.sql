-- One seek of the expiry index for each head.
SELECT h.partition_id
FROM partition_head AS h
WHERE h.partition_id > %(after)s AND EXISTS (
    SELECT 1 FROM current_value AS c
    WHERE c.partition_id = h.partition_id AND c.expires_at <= greatest(%(now)s, h.last_recorded_at)
)
ORDER BY h.partition_id
LIMIT %(limit)s
