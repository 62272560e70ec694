-- Three seeks whatever the key's history: the last version by then, the last end before it, the creation after that.
SELECT v.scope, v.key, v.revision, v.operation, v.size, v.recorded_at, v.expires_at, v.changed_by, v.run_id,
    e.topic, e.state, c.revision, c.recorded_at
FROM key_history AS v
JOIN stored_events AS e ON e.originator_id = :stream AND e.originator_version = v.revision
JOIN key_history AS c ON c.partition_id = :stream AND c.scope = v.scope AND c.key = v.key
    AND c.revision = (
        SELECT min(first.revision) FROM key_history AS first
        WHERE first.partition_id = :stream AND first.scope = v.scope AND first.key = v.key
            AND first.revision > coalesce((
                SELECT max(ended.revision) FROM key_history AS ended INDEXED BY key_history_end
                WHERE ended.partition_id = :stream AND ended.scope = v.scope AND ended.key = v.key
                    AND ended.revision < v.revision AND ended.size = 0
            ), 0)
    )
WHERE v.partition_id = :stream AND v.scope = :scope AND v.key = :key AND v.size > 0 AND v.revision = (
    SELECT max(h.revision) FROM key_history AS h
    WHERE h.partition_id = :stream AND h.scope = :scope AND h.key = :key AND h.revision <= :revision
)
