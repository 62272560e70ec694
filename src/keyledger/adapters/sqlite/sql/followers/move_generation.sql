-- The guard of every write: nothing is written unless the generation is as it was.
UPDATE follower
SET version = version + 1
WHERE name = :name AND generation = :generation AND version = :version
