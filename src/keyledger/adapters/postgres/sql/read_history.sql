-- The key's own index finds the versions; each brings its value from its event.
SELECT v.scope, v.key, v.revision, v.operation, v.size, v.recorded_at, v.expires_at, v.changed_by, v.run_id,
    e.topic, e.state
FROM key_history AS v
JOIN stored_events AS e ON e.originator_id = v.partition_id AND e.originator_version = v.revision
WHERE v.partition_id = %(stream)s AND v.scope = %(scope)s AND v.key = %(key)s AND v.revision < %(before)s
ORDER BY v.revision DESC
LIMIT %(limit)s
