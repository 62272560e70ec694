-- One seek for each end of what a run wrote in a stream.
SELECT (
    SELECT v.revision FROM key_history AS v
    WHERE v.run_id = :run_id AND v.partition_id = :stream
    ORDER BY v.revision
    LIMIT 1
), (
    SELECT v.revision FROM key_history AS v
    WHERE v.run_id = :run_id AND v.partition_id = :stream
    ORDER BY v.revision DESC
    LIMIT 1
)
