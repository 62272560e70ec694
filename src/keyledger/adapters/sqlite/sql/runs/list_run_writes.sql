-- The index of versions by run; each brings its value from its event.
SELECT v.partition_id, v.scope, v.key, v.revision, v.operation, v.size, v.recorded_at, v.expires_at, v.changed_by,
    v.run_id, e.topic, e.state
FROM key_history AS v
JOIN stored_events AS e ON e.originator_id = v.partition_id AND e.originator_version = v.revision
WHERE v.run_id = :run_id
    AND (v.partition_id, v.revision, v.scope, v.key) > (:after_stream, :after_revision, :after_scope, :after_key)
ORDER BY v.partition_id, v.revision, v.scope, v.key
LIMIT :limit
