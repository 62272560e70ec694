-- Skills: one row is a skill's head, its rolling snapshot and what skills are listed by. skill_id is the stream's id,
-- as everywhere. quota_revision is the revision that granted max_bytes, 0 where none did: what was granted once is
-- looked at by every sweep, so it has an index of its own.
CREATE TABLE skills (
    skill_id text COLLATE "C" NOT NULL PRIMARY KEY,
    revision bigint NOT NULL,
    last_recorded_at timestamptz NOT NULL,
    name text NOT NULL,
    owner text COLLATE "C" NOT NULL,
    visibility text COLLATE "C" NOT NULL,
    tags text[] NOT NULL,
    definition bytea NOT NULL,
    trusted boolean NOT NULL,
    saved_revision bigint NOT NULL,
    created_at timestamptz NOT NULL,
    saved_at timestamptz NOT NULL,
    saved_by text,
    extended_bounds boolean NOT NULL,
    max_bytes bigint,
    quota_revision bigint NOT NULL,
    archived boolean NOT NULL
);

CREATE INDEX skills_owner ON skills (owner, skill_id);
CREATE INDEX skills_granted ON skills (skill_id) WHERE quota_revision > 0;
