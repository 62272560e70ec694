-- The index of versions by run, and each seeks its event: a plain join may merge with whole streams.
SELECT v.partition_id, v.scope, v.key, v.revision, v.operation, v.size, v.recorded_at, v.expires_at, v.changed_by,
    v.run_id, e.topic, e.state
FROM key_history AS v
CROSS JOIN LATERAL (
    SELECT s.topic, s.state
    FROM stored_events AS s
    WHERE s.originator_id = v.partition_id AND s.originator_version = v.revision
    LIMIT 1
) AS e
WHERE v.run_id = %(run_id)s
    AND (v.partition_id, v.revision, v.scope, v.key)
        > (%(after_stream)s, %(after_revision)s, %(after_scope)s, %(after_key)s)
ORDER BY v.partition_id, v.revision, v.scope, v.key
LIMIT %(limit)s
