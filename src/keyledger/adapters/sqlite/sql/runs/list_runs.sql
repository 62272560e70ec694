-- A line that ends in "-- if x" is in the statement only where a filter names x, so that one index is scanned.
-- The + keeps SQLite, which has no statistics, from choosing the index that leaves most rows.
SELECT
    run_id, skill_id, caller_id, channel_id, parent_run_id, root_run_id, depth, started_at, traceparent,
    inputs, finished_at, status, output, error, tool_calls_count, runtime_seconds, input_tokens,
    output_tokens, thinking_tokens
FROM runs
WHERE true
    AND caller_id = :caller_id -- if caller_id
    AND skill_id = :skill_id -- if skill_id
    AND channel_id = :channel_id -- if channel_id
    AND status = :status -- if status
    AND +status = :status -- if status_too
    AND status <> 'dry_run' -- if no_dry_run
    AND parent_run_id = '' -- if top_level
    AND +parent_run_id = '' -- if top_level_too
    AND started_at >= :since -- if since
    AND started_at < :until -- if until
ORDER BY started_at DESC, run_id DESC
LIMIT :limit OFFSET :offset
