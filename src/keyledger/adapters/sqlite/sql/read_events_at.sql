-- Some events of one stream, by their revisions.
SELECT e.originator_version, e.topic, e.state
FROM json_each(:revisions) AS wanted
CROSS JOIN stored_events AS e ON e.originator_id = :stream AND e.originator_version = wanted.value
