-- Oldest first, a bounded number.
DELETE FROM request_log
WHERE (partition_id, request_id) IN (
    SELECT r.partition_id, r.request_id FROM request_log AS r
    WHERE r.recorded_at < %(before)s
    ORDER BY r.recorded_at
    LIMIT %(limit)s
)
