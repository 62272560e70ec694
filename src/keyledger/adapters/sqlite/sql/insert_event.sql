-- The key (stream, revision) is the last guard against two events for one revision.
INSERT INTO stored_events (originator_id, originator_version, topic, state)
VALUES (?, ?, ?, ?)
