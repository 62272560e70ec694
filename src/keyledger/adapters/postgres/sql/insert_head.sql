-- So that a stream without a head can be locked too; it is gone again if nothing is written.
INSERT INTO partition_head (
    partition_id, revision, used_bytes, live_keys, max_bytes, last_recorded_at, deleted, forking, leases,
    lease_version
) VALUES (%(stream)s, 0, 0, 0, NULL, NULL, false, false, '[]', 0)
ON CONFLICT (partition_id) DO NOTHING
