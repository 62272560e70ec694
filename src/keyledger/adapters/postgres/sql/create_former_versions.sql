-- Where what stood before a rebuild is kept until it is compared; gone with the transaction.
CREATE TEMP TABLE former_versions ON COMMIT DROP AS
SELECT v.scope, v.key, v.revision, v.operation, v.size, v.recorded_at, v.expires_at, v.changed_by, v.run_id
FROM key_history AS v
WITH NO DATA
