-- The first, or a draft.
INSERT INTO follower (name, generation, version, present)
VALUES (%(name)s, %(generation)s, 0, %(present)s)
ON CONFLICT (name, generation) DO NOTHING
