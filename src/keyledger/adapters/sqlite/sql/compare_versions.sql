-- True if what stands is the draft: as many rows, and none of the draft without its equal.
SELECT count(*) FILTER (WHERE (
        v.operation, v.size, v.recorded_at, v.expires_at, v.changed_by, v.run_id
    ) IS NOT (
        d.operation, d.size, d.recorded_at, d.expires_at, d.changed_by, d.run_id
    )) = 0
    AND count(*) = (SELECT count(*) FROM key_history AS s WHERE s.partition_id = :stream)
FROM draft_versions AS d
LEFT JOIN key_history AS v
    ON v.partition_id = :stream AND v.scope = d.scope AND v.key = d.key AND v.revision = d.revision
