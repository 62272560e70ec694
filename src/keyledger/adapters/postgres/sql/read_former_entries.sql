-- As read_all_entries, of the copy.
SELECT * FROM former_entries ORDER BY scope, key
