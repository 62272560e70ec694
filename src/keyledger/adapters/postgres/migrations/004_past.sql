-- Forks, and the past. A version that ended its key has size 0, and its index finds when a key was created by seeks;
-- that of the quota's changes finds the one in force at a revision.
ALTER TABLE partition_head ADD COLUMN forking boolean NOT NULL DEFAULT false;

CREATE INDEX key_history_end ON key_history (partition_id, scope, key, revision) WHERE size = 0;

CREATE INDEX stored_events_quota ON stored_events (originator_id, originator_version) WHERE topic = 'kv.QuotaChanged';
