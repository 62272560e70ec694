-- In the transaction of the rows.
INSERT INTO follower_cursor (name, generation, run_id, revision)
SELECT %(name)s, %(generation)s, wanted.stream, wanted.until
FROM unnest(%(streams)s::text[], %(untils)s::bigint[]) AS wanted (stream, until)
ON CONFLICT (name, generation, run_id) DO UPDATE SET revision = excluded.revision
