-- Measured for rows of ten columns: 2.0 µs each, where an insert from JSON or arrays costs 3.4 to 4.0.
COPY draft_versions (
    partition_id, scope, key, revision, operation, size, recorded_at, expires_at, changed_by, run_id
) FROM STDIN (FORMAT binary)
