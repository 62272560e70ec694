-- Three seeks whatever the key's history: the last version by then, the last end before it, the creation after that.
SELECT v.scope, v.key, v.revision, v.operation, v.size, v.recorded_at, v.expires_at, v.changed_by, v.run_id,
    e.topic, e.state, c.revision, c.recorded_at
FROM (
    SELECT h.scope, h.key, h.revision, h.operation, h.size, h.recorded_at, h.expires_at, h.changed_by, h.run_id
    FROM key_history AS h
    WHERE h.partition_id = %(stream)s AND h.scope = %(scope)s AND h.key = %(key)s AND h.revision <= %(revision)s
    ORDER BY h.revision DESC
    LIMIT 1
) AS v
CROSS JOIN LATERAL (
    SELECT s.topic, s.state
    FROM stored_events AS s
    WHERE s.originator_id = %(stream)s AND s.originator_version = v.revision
    LIMIT 1
) AS e
CROSS JOIN LATERAL (
    SELECT f.revision, f.recorded_at
    FROM key_history AS f
    WHERE f.partition_id = %(stream)s AND f.scope = v.scope AND f.key = v.key AND f.revision > coalesce((
        SELECT ended.revision FROM key_history AS ended
        WHERE ended.partition_id = %(stream)s AND ended.scope = v.scope AND ended.key = v.key
            AND ended.revision < v.revision AND ended.size = 0
        ORDER BY ended.revision DESC
        LIMIT 1
    ), 0)
    ORDER BY f.revision
    LIMIT 1
) AS c
WHERE v.size > 0
