-- As read_all_entries, of the draft.
SELECT d.scope, d.key, d.revision, d.create_revision, d.created_at, d.updated_at, d.expires_at, d.changed_by,
    d.run_id, d.size, d.value
FROM draft_entries AS d
ORDER BY d.scope, d.key
