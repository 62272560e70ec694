-- Key history in the making; without an index, as each row is written once and read once.
CREATE TEMP TABLE draft_versions AS
SELECT * FROM key_history LIMIT 0
