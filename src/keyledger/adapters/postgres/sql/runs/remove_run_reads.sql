-- A purge, or a rebuild that puts others in their place.
DELETE FROM run_reads
WHERE run_id = %(stream)s
