-- The first version after the last end before it.
SELECT v.revision, v.recorded_at
FROM key_history AS v
WHERE v.partition_id = :stream AND v.scope = :scope AND v.key = :key AND v.revision <= :revision
    AND v.revision > coalesce((
        SELECT max(ended.revision) FROM key_history AS ended INDEXED BY key_history_end
        WHERE ended.partition_id = :stream AND ended.scope = :scope AND ended.key = :key
            AND ended.revision < :revision AND ended.size = 0
    ), 0)
ORDER BY v.revision
LIMIT 1
