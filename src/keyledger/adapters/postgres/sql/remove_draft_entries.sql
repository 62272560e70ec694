-- Before their newer state is inserted, if they have any.
DELETE FROM draft_entries AS d
USING unnest(%(scopes)s::text[], %(keys)s::text[]) AS wanted (scope, key)
WHERE d.scope = wanted.scope AND d.key = wanted.key
