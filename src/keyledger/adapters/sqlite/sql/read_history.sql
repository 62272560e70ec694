-- The key's own index finds the versions; each brings its value from its event.
SELECT v.scope, v.key, v.revision, v.operation, v.size, v.recorded_at, v.expires_at, v.changed_by, v.run_id,
    e.topic, e.state
FROM key_history AS v
JOIN stored_events AS e ON e.originator_id = v.partition_id AND e.originator_version = v.revision
WHERE v.partition_id = :stream AND v.scope = :scope AND v.key = :key
    AND v.revision >= :first AND v.revision < :before
    AND v.operation = :operation -- if operation
    AND v.changed_by = :actor -- if actor
    AND v.run_id = :run_id -- if run_id
ORDER BY v.revision DESC
LIMIT :limit
