-- A generation's rows but for the runs in motion; one without a cursor should not be there, and so is read as well.
-- The LIMITs inside are as in list_behind. {table} is a generation's table.
SELECT
    h.run_id, h.skill_id, h.caller_id, h.channel_id, h.parent_run_id, h.root_run_id, h.depth, h.started_at,
    h.traceparent, h.inputs, h.finished_at, h.status, h.output, h.error, h.tool_calls_count, h.runtime_seconds,
    h.input_tokens, h.output_tokens, h.thinking_tokens
FROM {table} AS h
LEFT JOIN LATERAL (
    SELECT c.revision
    FROM follower_cursor AS c
    WHERE c.name = %(name)s AND c.generation = %(present)s AND c.run_id = h.run_id
    LIMIT 1
) AS p ON true
LEFT JOIN LATERAL (
    SELECT c.revision
    FROM follower_cursor AS c
    WHERE c.name = %(name)s AND c.generation = %(draft)s AND c.run_id = h.run_id
    LIMIT 1
) AS d ON true
WHERE p.revision IS NOT DISTINCT FROM d.revision
ORDER BY h.run_id
