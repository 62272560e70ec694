-- For the library's own callers: events alone, of any streams, and their notification ids.
INSERT INTO stored_events (originator_id, originator_version, topic, state)
SELECT e.stream, e.revision, e.topic, decode(e.state, 'base64')
FROM json_to_recordset(%(events)s) AS e (stream text, revision bigint, topic text, state text)
RETURNING notification_id
