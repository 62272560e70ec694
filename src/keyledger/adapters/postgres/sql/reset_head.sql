-- Before a rebuild, which moves it on from revision 0; the leases stay.
UPDATE partition_head
SET revision = 0, used_bytes = 0, live_keys = 0, max_bytes = NULL, last_recorded_at = NULL, deleted = false
WHERE partition_id = %(stream)s
