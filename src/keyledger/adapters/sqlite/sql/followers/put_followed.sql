-- A row that stands already is written anew: a run that had begun in an earlier batch. {table} is a generation's table.
INSERT OR REPLACE INTO {table} (
    run_id, skill_id, caller_id, channel_id, parent_run_id, root_run_id, depth, started_at, traceparent,
    inputs, finished_at, status, output, error, tool_calls_count, runtime_seconds, input_tokens,
    output_tokens, thinking_tokens
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
