-- The heads that the index of changes leads to, in its order: so rows are put near each other in the table's indexes.
-- The LIMIT inside is as in list_behind.
SELECT h.run_id, coalesce(c.revision, 0), h.revision, h.last_recorded_at
FROM run_head AS h
LEFT JOIN LATERAL (
    SELECT c.revision
    FROM follower_cursor AS c
    WHERE c.name = %(name)s AND c.generation = %(generation)s AND c.run_id = h.run_id
    LIMIT 1
) AS c ON true
WHERE (h.last_recorded_at, h.run_id) > (%(since)s, %(after)s) AND h.run_id <> 'run:__purges__'
    AND h.revision > coalesce(c.revision, 0)
ORDER BY h.last_recorded_at, h.run_id
LIMIT %(limit)s
