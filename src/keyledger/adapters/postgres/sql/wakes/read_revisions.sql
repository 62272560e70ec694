-- By the heads, once a second: a notification is only a hint, and whoever watches another stream need not look.
SELECT h.partition_id, h.revision FROM partition_head AS h
WHERE h.partition_id = ANY(%(streams)s)
