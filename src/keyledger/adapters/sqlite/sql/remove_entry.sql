-- The entry ends; its history stays.
DELETE FROM current_value
WHERE partition_id = ? AND scope = ? AND key = ?
