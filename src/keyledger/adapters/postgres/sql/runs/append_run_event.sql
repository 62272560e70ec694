-- The whole write of a log line: the event hangs on the head, which moves only from the revision that was decided on.
WITH head AS (
    INSERT INTO run_head AS h (run_id, revision, last_recorded_at, sequences, purged)
    VALUES (%(stream)s, %(revision)s, %(last_recorded_at)s, %(sequences)s, %(purged)s)
    ON CONFLICT (run_id) DO UPDATE SET
        revision = excluded.revision,
        last_recorded_at = excluded.last_recorded_at,
        sequences = excluded.sequences,
        purged = excluded.purged
    WHERE h.revision = %(expected)s
    RETURNING h.run_id, h.revision
),
event AS (
    INSERT INTO stored_events (originator_id, originator_version, topic, state)
    SELECT head.run_id, head.revision, %(topic)s, %(state)s FROM head
)
SELECT count(*) FROM head
