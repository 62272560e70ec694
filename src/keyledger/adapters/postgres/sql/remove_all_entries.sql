-- After end_all_versions, or before a rebuild.
DELETE FROM current_value
WHERE partition_id = %(stream)s
