-- A run ended, or ended otherwise than was said before.
UPDATE runs
SET status = :status, finished_at = :finished_at, output = :output, error = :error,
    tool_calls_count = :tool_calls_count, runtime_seconds = :runtime_seconds, input_tokens = :input_tokens,
    output_tokens = :output_tokens, thinking_tokens = :thinking_tokens
WHERE run_id = :stream
