-- A line that ends in "-- if x" is in the statement only where a filter names x.
SELECT s.skill_id, s.revision, s.last_recorded_at, s.name, s.owner, s.visibility, s.tags, s.definition,
    s.trusted, s.saved_revision, s.created_at, s.saved_at, s.saved_by, s.extended_bounds, s.max_bytes,
    s.quota_revision, s.archived
FROM skills AS s
WHERE s.skill_id > :after
    AND s.owner = :owner -- if owner
    AND s.visibility = :visibility -- if visibility
    AND EXISTS (SELECT 1 FROM json_each(s.tags) WHERE value = :tag) -- if tag
    AND NOT s.archived -- if in_use
ORDER BY s.skill_id
LIMIT :limit
