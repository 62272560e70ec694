-- How much a lease is for, before it shrinks.
SELECT l.bytes FROM global_lease AS l WHERE l.lease_id = :lease_id
