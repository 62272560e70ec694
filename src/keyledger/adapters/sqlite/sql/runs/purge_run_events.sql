-- What a run said goes out of the log itself; revisions stay, each with the same marker.
UPDATE stored_events
SET topic = :topic, state = :state
WHERE originator_id = :stream AND originator_version <= :last
