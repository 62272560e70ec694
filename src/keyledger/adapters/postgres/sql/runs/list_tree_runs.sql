-- A whole tree by its root, which each of its runs names: no recursion.
SELECT
    run_id, skill_id, caller_id, channel_id, parent_run_id, root_run_id, depth, started_at, traceparent,
    inputs, finished_at, status, output, error, tool_calls_count, runtime_seconds, input_tokens,
    output_tokens, thinking_tokens
FROM runs
WHERE root_run_id = (SELECT r.root_run_id FROM runs AS r WHERE r.run_id = %(stream)s)
ORDER BY started_at, run_id
