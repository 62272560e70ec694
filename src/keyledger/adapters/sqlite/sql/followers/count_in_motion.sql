-- Runs that one of two generations has followed further than the other.
SELECT count(*)
FROM run_head AS h
LEFT JOIN follower_cursor AS p ON p.name = :name AND p.generation = :present AND p.run_id = h.run_id
LEFT JOIN follower_cursor AS d ON d.name = :name AND d.generation = :draft AND d.run_id = h.run_id
WHERE p.revision IS NOT d.revision
