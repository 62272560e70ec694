-- What one generation has read and the other has not, among the heads that the index of changes leads to.
SELECT p.run_id, coalesce(d.revision, 0), p.revision
FROM run_head AS h
JOIN follower_cursor AS p ON p.name = %(name)s AND p.generation = %(present)s AND p.run_id = h.run_id
LEFT JOIN follower_cursor AS d ON d.name = %(name)s AND d.generation = %(draft)s AND d.run_id = h.run_id
WHERE h.last_recorded_at >= %(since)s AND p.revision > coalesce(d.revision, 0)
