-- Many keys of one scope, as of one moment. CROSS JOIN so that each key is sought, not the scope read for them all.
SELECT c.scope, c.key, c.value, c.revision, c.create_revision, c.created_at, c.updated_at, c.expires_at,
    c.changed_by, c.run_id, h.last_recorded_at
FROM json_each(:keys) AS wanted
CROSS JOIN current_value AS c ON c.partition_id = :stream AND c.scope = :scope AND c.key = wanted.value
JOIN partition_head AS h ON h.partition_id = :stream
