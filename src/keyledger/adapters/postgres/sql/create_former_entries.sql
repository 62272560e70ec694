-- Where what stood before a rebuild is kept until it is compared; gone with the transaction.
CREATE TEMP TABLE former_entries ON COMMIT DROP AS
SELECT c.scope, c.key, c.revision, c.create_revision, c.created_at, c.updated_at, c.expires_at, c.changed_by,
    c.run_id, c.size, c.value
FROM current_value AS c
WITH NO DATA
