-- Runs that one of two generations has followed further than the other. The LIMITs inside are as in list_behind.
SELECT count(*)
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
WHERE p.revision IS DISTINCT FROM d.revision
