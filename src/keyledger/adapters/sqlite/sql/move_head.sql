-- As put_head, for a head that is known to be there: positional and without the insert, which the hot path feels.
UPDATE partition_head
SET revision = ?, used_bytes = ?, live_keys = ?, max_bytes = ?, last_recorded_at = ?, deleted = ?, forking = ?,
    leases = ?, lease_version = ?
WHERE partition_id = ? AND revision = ? AND lease_version = ?
