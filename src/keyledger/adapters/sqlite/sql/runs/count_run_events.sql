-- As far as the heads know.
SELECT coalesce(sum(revision), 0)
FROM run_head
