-- A purge, or a rebuild that puts another in its place.
DELETE FROM runs
WHERE run_id = :stream
