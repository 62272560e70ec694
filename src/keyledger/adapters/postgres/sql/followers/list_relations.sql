-- What has the follower's name, or begins with that of its generations: the name and #.
SELECT relname::text
FROM pg_class
WHERE relnamespace = current_schema()::regnamespace
    AND (relname = %(name)s OR starts_with(relname::text, %(name)s::text || '#') AND relkind = 'r')
