-- Before a rebuild, which moves it on from revision 0. The leases stay, under a new version: a statement that waits
-- for this row was decided on rows that are about to go, and must fail.
UPDATE partition_head
SET revision = 0, used_bytes = 0, live_keys = 0, max_bytes = NULL, last_recorded_at = NULL, deleted = false,
    lease_version = lease_version + 1
WHERE partition_id = %(stream)s
