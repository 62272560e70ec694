-- By the heads: a commit moves one or two of them, and whoever watches another need not look.
SELECT h.partition_id, h.revision FROM partition_head AS h
WHERE h.partition_id IN (SELECT value FROM json_each(:streams))
