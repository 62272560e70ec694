-- Partitions that hold bytes and no lease: written before there was a global quota. Locked one by one, by
-- lock_unleased: Citus refuses FOR UPDATE across shards.
SELECT h.partition_id
FROM partition_head AS h
WHERE h.used_bytes > 0 AND h.leases = '[]'
