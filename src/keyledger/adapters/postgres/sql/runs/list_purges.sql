-- Totals are events and nothing else: they are few.
SELECT e.originator_version, e.topic, e.state
FROM stored_events AS e
WHERE e.originator_id = %(stream)s AND e.originator_version < %(before)s
ORDER BY e.originator_version DESC
LIMIT %(limit)s
