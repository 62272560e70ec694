-- Whoever holds this row is the only one who can move the stream.
SELECT h.revision
FROM partition_head AS h
WHERE h.partition_id = %(stream)s
FOR UPDATE
