-- A seek for each stretch of a stream, which the planner cannot turn into anything else, less the events that nobody
-- reads; the caller puts them in order.
SELECT e.originator_id, e.originator_version, e.topic, e.state
FROM unnest(%(streams)s::text[], %(afters)s::bigint[], %(untils)s::bigint[]) AS wanted (stream, after, until)
CROSS JOIN LATERAL (
    SELECT s.originator_id, s.originator_version, s.topic, s.state
    FROM stored_events AS s
    WHERE s.originator_id = wanted.stream AND s.originator_version > wanted.after
        AND s.originator_version <= wanted.until AND s.topic <> ALL(%(unread)s)
    ORDER BY s.originator_version
) AS e
