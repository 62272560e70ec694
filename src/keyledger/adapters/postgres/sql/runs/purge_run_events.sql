-- What a run said goes out of the log itself; revisions stay, each with the same marker.
UPDATE stored_events
SET topic = %(topic)s, state = %(state)s
WHERE originator_id = %(stream)s AND originator_version <= %(last)s
