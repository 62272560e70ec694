-- Returning its size, so that a lease is credited once.
DELETE FROM global_lease
WHERE lease_id = %(lease_id)s
RETURNING bytes
