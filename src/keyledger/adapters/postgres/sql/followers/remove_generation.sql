-- Whoever still writes to it finds it gone, and writes nothing.
DELETE FROM follower
WHERE name = %(name)s AND generation = %(generation)s
