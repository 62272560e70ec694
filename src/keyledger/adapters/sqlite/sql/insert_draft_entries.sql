-- Many at once.
INSERT INTO draft_entries (
    partition_id, scope, key, value, size, revision, create_revision, created_at, updated_at, expires_at,
    changed_by, run_id
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
