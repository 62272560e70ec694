-- What all partitions have leased.
SELECT g.leased_bytes FROM global_quota AS g WHERE g.id = 1
