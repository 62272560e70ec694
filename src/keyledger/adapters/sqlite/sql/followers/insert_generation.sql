-- The first, or a draft.
INSERT INTO follower (name, generation, version, present)
VALUES (:name, :generation, 0, :present)
ON CONFLICT (name, generation) DO NOTHING
