-- A few rows at a time, as dropping a long table would hold the write lock for long. {table} is a generation's table.
DELETE FROM {table}
WHERE rowid IN (SELECT rowid FROM {table} LIMIT :limit)
