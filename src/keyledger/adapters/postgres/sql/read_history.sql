-- The key's own index finds the versions, and each seeks its event: a plain join may merge with the whole stream.
-- "IS NOT DISTINCT FROM" keeps a generic plan from the index of runs, on which it would read all that a run wrote.
SELECT v.scope, v.key, v.revision, v.operation, v.size, v.recorded_at, v.expires_at, v.changed_by, v.run_id,
    e.topic, e.state
FROM key_history AS v
CROSS JOIN LATERAL (
    SELECT s.topic, s.state
    FROM stored_events AS s
    WHERE s.originator_id = %(stream)s AND s.originator_version = v.revision
    LIMIT 1
) AS e
WHERE v.partition_id = %(stream)s AND v.scope = %(scope)s AND v.key = %(key)s
    AND v.revision >= %(first)s AND v.revision < %(before)s
    AND v.operation = %(operation)s -- if operation
    AND v.changed_by = %(actor)s -- if actor
    AND v.run_id IS NOT DISTINCT FROM %(run_id)s -- if run_id
ORDER BY v.revision DESC
LIMIT %(limit)s
