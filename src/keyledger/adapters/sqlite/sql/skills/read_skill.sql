-- The whole row: it is head, snapshot and what skills are listed by in one.
SELECT s.skill_id, s.revision, s.last_recorded_at, s.name, s.owner, s.visibility, s.tags, s.definition,
    s.trusted, s.saved_revision, s.created_at, s.saved_at, s.saved_by, s.extended_bounds, s.max_bytes,
    s.quota_revision, s.archived
FROM skills AS s
WHERE s.skill_id = :stream
