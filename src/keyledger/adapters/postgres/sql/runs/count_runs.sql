-- As list_runs.
SELECT count(*)
FROM runs
WHERE true
    AND caller_id = %(caller_id)s -- if caller_id
    AND skill_id = %(skill_id)s -- if skill_id
    AND channel_id = %(channel_id)s -- if channel_id
    AND status = %(status)s -- if status
    AND status = %(status)s -- if status_too
    AND status <> 'dry_run' -- if no_dry_run
    AND parent_run_id = '' -- if top_level
    AND parent_run_id = '' -- if top_level_too
    AND started_at >= %(since)s -- if since
    AND started_at < %(until)s -- if until
