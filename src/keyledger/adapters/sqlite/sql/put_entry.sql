-- Creation columns come in from the slice, so one upsert serves new keys and old ones.
INSERT INTO current_value (
    partition_id, scope, key, value, size, revision, create_revision, created_at, updated_at, expires_at,
    changed_by, run_id
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (partition_id, scope, key) DO UPDATE SET
    value = excluded.value,
    size = excluded.size,
    revision = excluded.revision,
    create_revision = excluded.create_revision,
    created_at = excluded.created_at,
    updated_at = excluded.updated_at,
    expires_at = excluded.expires_at,
    changed_by = excluded.changed_by,
    run_id = excluded.run_id
