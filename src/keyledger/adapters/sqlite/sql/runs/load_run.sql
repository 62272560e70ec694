-- The head of a run's stream and how the run ended, which is no part of the head's row.
SELECT h.revision, h.last_recorded_at, h.sequences, h.purged, r.status, r.output, r.error, r.tool_calls_count,
    r.runtime_seconds, r.input_tokens, r.output_tokens, r.thinking_tokens
FROM run_head AS h
LEFT JOIN runs AS r ON r.run_id = h.run_id
WHERE h.run_id = :stream
