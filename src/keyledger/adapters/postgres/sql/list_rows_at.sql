-- From key to key by seeks, so that the length of their histories does not matter; then as read_version_at.
WITH RECURSIVE names AS (
    (
        SELECT 1 AS number, k.scope, k.key
        FROM key_history AS k
        WHERE k.partition_id = %(stream)s AND (k.scope, k.key) >= (%(first_scope)s, %(first_key)s)
        ORDER BY k.scope, k.key
        LIMIT 1
    )
    UNION ALL
    SELECT n.number + 1, k.scope, k.key
    FROM names AS n
    CROSS JOIN LATERAL (
        SELECT f.scope, f.key
        FROM key_history AS f
        WHERE f.partition_id = %(stream)s AND (f.scope, f.key) > (n.scope, n.key)
        ORDER BY f.scope, f.key
        LIMIT 1
    ) AS k
    WHERE n.number < %(limit)s AND (n.scope, n.key) < (%(beyond_scope)s, %(beyond_key)s)
)
SELECT n.scope, n.key, v.revision, v.operation, v.size, v.recorded_at, v.expires_at, v.changed_by, v.run_id,
    v.created, v.created_at
FROM names AS n
LEFT JOIN LATERAL (
    SELECT v.revision, v.operation, v.size, v.recorded_at, v.expires_at, v.changed_by, v.run_id,
        c.revision AS created, c.recorded_at AS created_at
    FROM (
        SELECT h.scope, h.key, h.revision, h.operation, h.size, h.recorded_at, h.expires_at, h.changed_by, h.run_id
        FROM key_history AS h
        WHERE h.partition_id = %(stream)s AND h.scope = n.scope AND h.key = n.key AND h.revision <= %(revision)s
        ORDER BY h.revision DESC
        LIMIT 1
    ) AS v
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
) AS v ON true
WHERE (n.scope, n.key) < (%(beyond_scope)s, %(beyond_key)s)
ORDER BY n.scope, n.key
