-- The whole write: the event hangs on the row, which moves only from the revision that was decided on.
WITH head AS (
    INSERT INTO skills AS s (
        skill_id, revision, last_recorded_at, name, owner, visibility, tags, definition, trusted,
        saved_revision, created_at, saved_at, saved_by, extended_bounds, max_bytes, quota_revision, archived
    )
    VALUES (
        %(stream)s, %(revision)s, %(last_recorded_at)s, %(name)s, %(owner)s, %(visibility)s, %(tags)s,
        %(definition)s, %(trusted)s, %(saved_revision)s, %(created_at)s, %(saved_at)s, %(saved_by)s,
        %(extended_bounds)s, %(max_bytes)s, %(quota_revision)s, %(archived)s
    )
    ON CONFLICT (skill_id) DO UPDATE SET
        revision = excluded.revision,
        last_recorded_at = excluded.last_recorded_at,
        name = excluded.name,
        owner = excluded.owner,
        visibility = excluded.visibility,
        tags = excluded.tags,
        definition = excluded.definition,
        trusted = excluded.trusted,
        saved_revision = excluded.saved_revision,
        created_at = excluded.created_at,
        saved_at = excluded.saved_at,
        saved_by = excluded.saved_by,
        extended_bounds = excluded.extended_bounds,
        max_bytes = excluded.max_bytes,
        quota_revision = excluded.quota_revision,
        archived = excluded.archived
    WHERE s.revision = %(expected)s
    RETURNING s.skill_id, s.revision
),
event AS (
    INSERT INTO stored_events (originator_id, originator_version, topic, state)
    SELECT head.skill_id, head.revision, %(topic)s, %(state)s FROM head
)
SELECT count(*) FROM head
