-- What stood before a rebuild.
INSERT INTO former_versions
SELECT v.scope, v.key, v.revision, v.operation, v.size, v.recorded_at, v.expires_at, v.changed_by, v.run_id
FROM key_history AS v
WHERE v.partition_id = %(stream)s
