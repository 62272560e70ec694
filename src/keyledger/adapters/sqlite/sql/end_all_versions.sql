-- A partition's deletion ends every entry that stood: each gets its own row, so a read of the past stays a seek.
INSERT INTO key_history (
    partition_id, scope, key, revision, operation, size, recorded_at, expires_at, changed_by, run_id
)
SELECT c.partition_id, c.scope, c.key, :revision, 'partition_deleted', 0, :recorded_at, NULL, :changed_by, :run_id
FROM current_value AS c
WHERE c.partition_id = :stream
