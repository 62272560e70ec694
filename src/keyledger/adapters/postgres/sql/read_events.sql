-- A stretch of one stream, oldest first.
SELECT e.originator_version, e.topic, e.state
FROM stored_events AS e
WHERE e.originator_id = %(stream)s AND e.originator_version > %(after)s
ORDER BY e.originator_version
LIMIT %(limit)s
