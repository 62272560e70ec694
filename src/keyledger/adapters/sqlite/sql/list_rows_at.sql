-- From key to key by seeks, so that the length of their histories does not matter; then as read_version_at.
-- Scope and key apart, as (scope, key) > (…) reads every version of the key that it begins at.
WITH RECURSIVE names (number, scope, key) AS (
    SELECT * FROM (
        SELECT 1, k.scope, k.key
        FROM key_history AS k
        WHERE k.partition_id = :stream AND (k.scope, k.key) >= (:first_scope, :first_key)
        ORDER BY k.scope, k.key
        LIMIT 1
    )
    UNION ALL
    SELECT n.number + 1, k.scope, k.key
    FROM names AS n
    JOIN key_history AS k ON k.partition_id = :stream AND (k.scope, k.key, k.revision) = (
        SELECT * FROM (
            SELECT f.scope, f.key, f.revision
            FROM key_history AS f
            WHERE f.partition_id = :stream AND f.scope = n.scope AND f.key > n.key
            ORDER BY f.key
            LIMIT 1
        )
        UNION ALL
        SELECT * FROM (
            SELECT f.scope, f.key, f.revision
            FROM key_history AS f
            WHERE f.partition_id = :stream AND f.scope > n.scope
            ORDER BY f.scope, f.key
            LIMIT 1
        )
        LIMIT 1
    )
    WHERE n.number < :limit AND (n.scope, n.key) < (:beyond_scope, :beyond_key)
)
SELECT n.scope, n.key, v.revision, v.operation, v.size, v.recorded_at, v.expires_at, v.changed_by, v.run_id,
    c.revision, c.recorded_at
FROM names AS n
LEFT JOIN key_history AS v ON v.partition_id = :stream AND v.scope = n.scope AND v.key = n.key
    AND v.size > 0 AND v.revision = (
        SELECT max(h.revision) FROM key_history AS h
        WHERE h.partition_id = :stream AND h.scope = n.scope AND h.key = n.key AND h.revision <= :revision
    )
LEFT JOIN key_history AS c ON c.partition_id = :stream AND c.scope = v.scope AND c.key = v.key
    AND c.revision = (
        SELECT min(first.revision) FROM key_history AS first
        WHERE first.partition_id = :stream AND first.scope = v.scope AND first.key = v.key
            AND first.revision > coalesce((
                SELECT max(ended.revision) FROM key_history AS ended INDEXED BY key_history_end
                WHERE ended.partition_id = :stream AND ended.scope = v.scope AND ended.key = v.key
                    AND ended.revision < v.revision AND ended.size = 0
            ), 0)
    )
WHERE (n.scope, n.key) < (:beyond_scope, :beyond_key)
ORDER BY n.scope, n.key
