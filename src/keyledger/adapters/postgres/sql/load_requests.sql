-- What users' request ids of one stream did.
SELECT r.request_id, r.fingerprint, r.first_revision, r.last_revision, r.recorded_at
FROM request_log AS r
WHERE r.partition_id = %(stream)s AND r.request_id = ANY(%(request_ids)s)
