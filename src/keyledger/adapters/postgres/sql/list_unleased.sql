-- Partitions that hold bytes and no lease: written before there was a global quota.
SELECT h.partition_id, h.used_bytes
FROM partition_head AS h
WHERE h.used_bytes > 0 AND h.leases = '[]'
FOR UPDATE
