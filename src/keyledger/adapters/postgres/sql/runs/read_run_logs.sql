-- The lines of a log, as they were written; sequence numbers are inside the events.
SELECT e.originator_version, e.topic, e.state
FROM stored_events AS e
WHERE e.originator_id = %(stream)s AND e.topic = 'run.RunLogged'
ORDER BY e.originator_version
