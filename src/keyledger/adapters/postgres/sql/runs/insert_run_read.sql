-- The first time that a run read a version is the one that counts.
INSERT INTO run_reads (run_id, partition_id, scope, key, revision, recorded_at)
VALUES (%(stream)s, %(partition_id)s, %(scope)s, %(key)s, %(revision)s, %(recorded_at)s)
ON CONFLICT (run_id, partition_id, scope, key, revision) DO NOTHING
