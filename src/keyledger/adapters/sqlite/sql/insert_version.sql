-- One row for each event that touches a key; the value itself stays in the event.
INSERT INTO key_history (
    partition_id, scope, key, revision, operation, size, recorded_at, expires_at, changed_by, run_id
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
