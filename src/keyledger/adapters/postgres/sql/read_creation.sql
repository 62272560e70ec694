-- The first version after the last end before it.
SELECT v.revision, v.recorded_at
FROM key_history AS v
WHERE v.partition_id = %(stream)s AND v.scope = %(scope)s AND v.key = %(key)s AND v.revision <= %(revision)s
    AND v.revision > coalesce((
        SELECT max(ended.revision) FROM key_history AS ended
        WHERE ended.partition_id = %(stream)s AND ended.scope = %(scope)s AND ended.key = %(key)s
            AND ended.revision < %(revision)s AND ended.size = 0
    ), 0)
ORDER BY v.revision
LIMIT 1
