-- As load_slice_many, of the draft.
SELECT d.scope, d.key, d.value, d.revision, d.create_revision, d.created_at, d.updated_at, d.expires_at,
    d.changed_by, d.run_id
FROM unnest(%(scopes)s::text[], %(keys)s::text[]) AS wanted (scope, key)
JOIN draft_entries AS d ON d.scope = wanted.scope AND d.key = wanted.key
