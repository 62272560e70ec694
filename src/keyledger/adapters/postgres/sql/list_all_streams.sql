-- From the events, and from what stands in the read models: a rebuild must not trust what it rebuilds.
SELECT found.stream, max(found.revision)
FROM (
    SELECT e.originator_id AS stream, max(e.originator_version) AS revision
    FROM stored_events AS e
    WHERE e.originator_id >= 'partition:' AND e.originator_id < 'partition;'
    GROUP BY e.originator_id
    UNION ALL
    SELECT h.partition_id, 0 FROM partition_head AS h
    UNION ALL
    SELECT DISTINCT c.partition_id, 0 FROM current_value AS c
) AS found
GROUP BY found.stream
ORDER BY found.stream
