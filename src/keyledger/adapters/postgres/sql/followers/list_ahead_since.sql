-- What one generation has read and the other has not, among the heads that the index of changes leads to. The LIMITs
-- inside are as in list_behind.
SELECT h.run_id, coalesce(d.revision, 0), p.revision
FROM run_head AS h
LEFT JOIN LATERAL (
    SELECT c.revision
    FROM follower_cursor AS c
    WHERE c.name = %(name)s AND c.generation = %(present)s AND c.run_id = h.run_id
    LIMIT 1
) AS p ON true
LEFT JOIN LATERAL (
    SELECT c.revision
    FROM follower_cursor AS c
    WHERE c.name = %(name)s AND c.generation = %(draft)s AND c.run_id = h.run_id
    LIMIT 1
) AS d ON true
WHERE h.last_recorded_at >= %(since)s AND p.revision > coalesce(d.revision, 0)
