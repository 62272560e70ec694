-- Before a rebuild.
DELETE FROM key_history
WHERE partition_id = %(stream)s
