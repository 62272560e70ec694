-- As load_slice_many, of the draft.
SELECT d.scope, d.key, d.value, d.revision, d.create_revision, d.created_at, d.updated_at, d.expires_at,
    d.changed_by, d.run_id
FROM json_each(:keys) AS wanted
JOIN draft_entries AS d ON d.scope = wanted.value ->> 0 AND d.key = wanted.value ->> 1
