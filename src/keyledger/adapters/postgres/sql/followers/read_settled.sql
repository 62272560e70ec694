-- A generation's rows but for the runs in motion; one without a cursor should not be there, and so is read as well.
-- {table} is a generation's table.
SELECT
    r.run_id, r.skill_id, r.caller_id, r.channel_id, r.parent_run_id, r.root_run_id, r.depth, r.started_at,
    r.traceparent, r.inputs, r.finished_at, r.status, r.output, r.error, r.tool_calls_count, r.runtime_seconds,
    r.input_tokens, r.output_tokens, r.thinking_tokens
FROM {table} AS r
LEFT JOIN follower_cursor AS p ON p.name = %(name)s AND p.generation = %(present)s AND p.run_id = r.run_id
LEFT JOIN follower_cursor AS d ON d.name = %(name)s AND d.generation = %(draft)s AND d.run_id = r.run_id
WHERE p.revision IS NOT DISTINCT FROM d.revision
ORDER BY r.run_id
