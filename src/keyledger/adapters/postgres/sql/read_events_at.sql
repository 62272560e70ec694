-- Some events of one stream, by their revisions.
SELECT e.originator_version, e.topic, e.state
FROM stored_events AS e
WHERE e.originator_id = %(stream)s AND e.originator_version = ANY(%(revisions)s)
