-- Indexes of a table that were made for it, not with it.
SELECT name
FROM sqlite_master
WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL
