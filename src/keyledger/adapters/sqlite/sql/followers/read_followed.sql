-- Rows by their keys. {table} is a generation's table.
SELECT
    run_id, skill_id, caller_id, channel_id, parent_run_id, root_run_id, depth, started_at, traceparent,
    inputs, finished_at, status, output, error, tool_calls_count, runtime_seconds, input_tokens,
    output_tokens, thinking_tokens
FROM {table}
WHERE run_id IN (SELECT value FROM json_each(:streams))
