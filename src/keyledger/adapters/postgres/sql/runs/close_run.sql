-- A run ended, or ended otherwise than was said before.
UPDATE runs
SET status = %(status)s, finished_at = %(finished_at)s, output = %(output)s, error = %(error)s,
    tool_calls_count = %(tool_calls_count)s, runtime_seconds = %(runtime_seconds)s, input_tokens = %(input_tokens)s,
    output_tokens = %(output_tokens)s, thinking_tokens = %(thinking_tokens)s
WHERE run_id = %(stream)s
