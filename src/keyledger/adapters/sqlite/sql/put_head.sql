-- The head changes only if it is the one that was decided on; a changed row count of 0 says that it moved.
INSERT INTO partition_head AS h (
    partition_id, revision, used_bytes, live_keys, max_bytes, last_recorded_at, deleted, forking, leases,
    lease_version
) VALUES (
    :stream, :revision, :used_bytes, :live_keys, :max_bytes, :last_recorded_at, :deleted, :forking, :leases,
    :lease_version
)
ON CONFLICT (partition_id) DO UPDATE SET
    revision = excluded.revision,
    used_bytes = excluded.used_bytes,
    live_keys = excluded.live_keys,
    max_bytes = excluded.max_bytes,
    last_recorded_at = excluded.last_recorded_at,
    deleted = excluded.deleted,
    forking = excluded.forking,
    leases = excluded.leases,
    lease_version = excluded.lease_version
WHERE h.revision = :expected AND h.lease_version = :expected_leases
