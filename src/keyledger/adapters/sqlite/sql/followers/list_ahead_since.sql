-- What one generation has read and the other has not, among the heads that the index of changes leads to.
SELECT p.run_id, coalesce(d.revision, 0), p.revision
FROM run_head AS h
JOIN follower_cursor AS p ON p.name = :name AND p.generation = :present AND p.run_id = h.run_id
LEFT JOIN follower_cursor AS d ON d.name = :name AND d.generation = :draft AND d.run_id = h.run_id
WHERE h.last_recorded_at >= :since AND p.revision > coalesce(d.revision, 0)
