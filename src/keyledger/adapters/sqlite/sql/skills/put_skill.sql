-- The guard of a commit: no row is changed unless the head is the one that was decided on.
INSERT INTO skills (
    skill_id, revision, last_recorded_at, name, owner, visibility, tags, definition, trusted, saved_revision,
    created_at, saved_at, saved_by, extended_bounds, max_bytes, quota_revision, archived
)
VALUES (
    :stream, :revision, :last_recorded_at, :name, :owner, :visibility, :tags, :definition, :trusted,
    :saved_revision, :created_at, :saved_at, :saved_by, :extended_bounds, :max_bytes, :quota_revision,
    :archived
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
WHERE revision = :expected
