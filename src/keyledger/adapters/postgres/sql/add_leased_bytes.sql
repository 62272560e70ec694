-- A returned lease comes off; usage from before there was a quota comes on, whatever the maximum.
UPDATE global_quota
SET leased_bytes = leased_bytes + %(bytes)s
WHERE id = 1
