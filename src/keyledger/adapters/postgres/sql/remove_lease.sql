-- A lease that is wholly given back.
DELETE FROM global_lease
WHERE lease_id = %(lease_id)s
