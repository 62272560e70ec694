-- For the sweeper, a page at a time.
SELECT l.partition_id, l.lease_id, l.bytes
FROM global_lease AS l
WHERE l.lease_id > %(after)s
ORDER BY l.lease_id
LIMIT %(limit)s
