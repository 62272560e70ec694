-- Before their newer state is inserted, if they have any.
DELETE FROM draft_entries
WHERE (scope, key) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:keys))
