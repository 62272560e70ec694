-- The guard of a commit: no row is changed unless the head is the one that was decided on.
INSERT INTO run_head (run_id, revision, last_recorded_at, sequences, purged)
VALUES (:stream, :revision, :last_recorded_at, :sequences, :purged)
ON CONFLICT (run_id) DO UPDATE SET
    revision = excluded.revision,
    last_recorded_at = excluded.last_recorded_at,
    sequences = excluded.sequences,
    purged = excluded.purged
WHERE revision = :expected
