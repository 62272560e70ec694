-- Every head beside its cursor, in the order of both keys. The LIMIT makes it a seek for each, whatever the planner
-- takes a new table to hold.
SELECT h.run_id, coalesce(c.revision, 0), h.revision
FROM run_head AS h
LEFT JOIN LATERAL (
    SELECT c.revision
    FROM follower_cursor AS c
    WHERE c.name = %(name)s AND c.generation = %(generation)s AND c.run_id = h.run_id
    LIMIT 1
) AS c ON true
WHERE h.run_id > %(after)s AND h.run_id <> 'run:__purges__' AND h.revision > coalesce(c.revision, 0)
ORDER BY h.run_id
LIMIT %(limit)s
