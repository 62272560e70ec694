-- A second use of an id fails on the key, and the write with it.
INSERT INTO request_log (partition_id, request_id, fingerprint, first_revision, last_revision, recorded_at)
VALUES (?, ?, ?, ?, ?, ?)
