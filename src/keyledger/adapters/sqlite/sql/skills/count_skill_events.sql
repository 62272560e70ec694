-- For progress: exact where nothing was lost.
SELECT coalesce(sum(s.revision), 0)
FROM skills AS s
