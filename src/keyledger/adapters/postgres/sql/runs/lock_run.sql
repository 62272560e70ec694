-- Whoever holds this row is the only one who can move the run's stream.
SELECT h.revision
FROM run_head AS h
WHERE h.run_id = %(stream)s
FOR UPDATE
