-- In the transaction of the rows.
INSERT INTO follower_cursor (name, generation, run_id, revision)
SELECT :name, :generation, json_extract(value, '$[0]'), json_extract(value, '$[2]')
FROM json_each(:spans)
WHERE true
ON CONFLICT (name, generation, run_id) DO UPDATE SET revision = excluded.revision
