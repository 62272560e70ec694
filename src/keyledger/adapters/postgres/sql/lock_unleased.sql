-- One of list_unleased as it stands now; no row if it has been written meanwhile and is one no more.
SELECT h.used_bytes
FROM partition_head AS h
WHERE h.partition_id = %(stream)s AND h.used_bytes > 0 AND h.leases = '[]'
FOR UPDATE
