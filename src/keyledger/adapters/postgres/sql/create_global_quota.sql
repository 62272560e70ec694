-- Once per ledger; a changed row count of 1 says that this was the time.
INSERT INTO global_quota (id, leased_bytes)
VALUES (1, 0)
ON CONFLICT (id) DO NOTHING
