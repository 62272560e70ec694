-- Many at once.
INSERT INTO draft_versions (
    partition_id, scope, key, revision, operation, size, recorded_at, expires_at, changed_by, run_id
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
