-- A run began.
INSERT INTO runs (
    run_id, skill_id, caller_id, channel_id, parent_run_id, root_run_id, depth, started_at, traceparent, inputs,
    finished_at, status, output, error, tool_calls_count, runtime_seconds, input_tokens, output_tokens,
    thinking_tokens
) VALUES (
    %(stream)s, %(skill_id)s, %(caller_id)s, %(channel_id)s, %(parent_run_id)s, %(root_run_id)s, %(depth)s,
    %(started_at)s, %(traceparent)s, %(inputs)s, %(finished_at)s, %(status)s, %(output)s, %(error)s,
    %(tool_calls_count)s, %(runtime_seconds)s, %(input_tokens)s, %(output_tokens)s, %(thinking_tokens)s
)
