-- What has the follower's name, or begins with that of its generations: the name and #.
SELECT name
FROM sqlite_master
WHERE name = :name OR substr(name, 1, length(:name) + 1) = :name || '#' AND type = 'table'
