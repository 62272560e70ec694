-- A rebuild found no event behind it, or puts another in its place.
DELETE FROM run_head
WHERE run_id = :stream
