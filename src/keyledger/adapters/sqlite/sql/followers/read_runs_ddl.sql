-- How the table of runs and its indexes were made, the table first.
SELECT name, sql
FROM sqlite_master
WHERE tbl_name = 'runs' AND sql IS NOT NULL
ORDER BY type DESC, name
