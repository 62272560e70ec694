-- The events of some streams, one stream after the other, each oldest first.
SELECT e.originator_id, e.originator_version, e.topic, e.state
FROM stored_events AS e
WHERE e.originator_id IN (SELECT value FROM json_each(:streams))
ORDER BY e.originator_id, e.originator_version
