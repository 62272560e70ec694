-- Runs that were purged, and those whose rows are written anew. {table} is a generation's table.
DELETE FROM {table}
WHERE run_id = ANY(%(streams)s)
