-- The index of quota changes alone; none by then is no row.
SELECT e.originator_version, e.topic, e.state
FROM stored_events AS e
WHERE e.originator_id = :stream AND e.originator_version <= :revision AND e.topic = 'kv.QuotaChanged'
ORDER BY e.originator_version DESC
LIMIT 1
