-- As read_all_versions, of the copy.
SELECT * FROM former_versions ORDER BY scope, key, revision
