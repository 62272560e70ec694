-- Runs that were purged. {table} is a generation's table.
DELETE FROM {table}
WHERE run_id IN (SELECT value FROM json_each(:streams))
