-- As end_all_versions, in the draft.
INSERT INTO draft_versions (
    partition_id, scope, key, revision, operation, size, recorded_at, expires_at, changed_by, run_id
)
SELECT d.partition_id, d.scope, d.key, %(revision)s, 'partition_deleted', 0, %(recorded_at)s, NULL, %(changed_by)s, %(run_id)s
FROM draft_entries AS d
