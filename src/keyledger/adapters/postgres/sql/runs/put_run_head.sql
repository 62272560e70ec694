-- A rebuild's.
INSERT INTO run_head (run_id, revision, last_recorded_at, sequences, purged)
VALUES (%(stream)s, %(revision)s, %(last_recorded_at)s, %(sequences)s, %(purged)s)
