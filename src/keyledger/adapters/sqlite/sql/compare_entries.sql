-- True if what stands is the draft: as many rows, and none of the draft without its equal.
SELECT count(*) FILTER (WHERE (
        c.value, c.size, c.revision, c.create_revision, c.created_at, c.updated_at, c.expires_at, c.changed_by, c.run_id
    ) IS NOT (
        d.value, d.size, d.revision, d.create_revision, d.created_at, d.updated_at, d.expires_at, d.changed_by, d.run_id
    )) = 0
    AND count(*) = (SELECT count(*) FROM current_value AS s WHERE s.partition_id = :stream)
FROM draft_entries AS d
LEFT JOIN current_value AS c ON c.partition_id = :stream AND c.scope = d.scope AND c.key = d.key
