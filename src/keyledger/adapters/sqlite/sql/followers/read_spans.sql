-- A seek for each stretch of a stream, less the events that nobody reads; the caller puts them in order.
SELECT e.originator_id, e.originator_version, e.topic, e.state
FROM json_each(:spans) AS wanted
CROSS JOIN stored_events AS e
    ON e.originator_id = json_extract(wanted.value, '$[0]')
    AND e.originator_version > json_extract(wanted.value, '$[1]')
    AND e.originator_version <= json_extract(wanted.value, '$[2]')
WHERE e.topic NOT IN (SELECT value FROM json_each(:unread))
