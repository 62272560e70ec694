-- As read_all_versions, of the draft.
SELECT d.scope, d.key, d.revision, d.operation, d.size, d.recorded_at, d.expires_at, d.changed_by, d.run_id
FROM draft_versions AS d
ORDER BY d.scope, d.key, d.revision
