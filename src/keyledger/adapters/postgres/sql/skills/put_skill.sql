-- A rebuild's.
INSERT INTO skills (
    skill_id, revision, last_recorded_at, name, owner, visibility, tags, definition, trusted, saved_revision,
    created_at, saved_at, saved_by, extended_bounds, max_bytes, quota_revision, archived
)
VALUES (
    %(stream)s, %(revision)s, %(last_recorded_at)s, %(name)s, %(owner)s, %(visibility)s, %(tags)s,
    %(definition)s, %(trusted)s, %(saved_revision)s, %(created_at)s, %(saved_at)s, %(saved_by)s,
    %(extended_bounds)s, %(max_bytes)s, %(quota_revision)s, %(archived)s
)
