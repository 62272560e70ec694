-- Only while a global quota is being switched on.
UPDATE partition_head
SET leases = %(leases)s, lease_version = lease_version + 1
WHERE partition_id = %(stream)s
