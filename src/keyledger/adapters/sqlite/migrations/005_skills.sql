-- Skills: one row is a skill's head, its rolling snapshot and what skills are listed by. skill_id is the stream's id,
-- as everywhere. quota_revision is the revision that granted max_bytes, 0 where none did: what was granted once is
-- looked at by every sweep, so it has an index of its own.
CREATE TABLE skills (
    skill_id TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    last_recorded_at INTEGER NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    visibility TEXT NOT NULL,
    tags TEXT NOT NULL,
    definition BLOB NOT NULL,
    trusted INTEGER NOT NULL,
    saved_revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    saved_at INTEGER NOT NULL,
    saved_by TEXT,
    extended_bounds INTEGER NOT NULL,
    max_bytes INTEGER,
    quota_revision INTEGER NOT NULL,
    archived INTEGER NOT NULL
);

CREATE INDEX skills_owner ON skills (owner, skill_id);
CREATE INDEX skills_granted ON skills (skill_id) WHERE quota_revision > 0;
