-- Never beyond the maximum: a changed row count of 0 refuses.
UPDATE global_quota
SET leased_bytes = leased_bytes + %(bytes)s
WHERE id = 1 AND leased_bytes + %(bytes)s <= %(maximum)s
