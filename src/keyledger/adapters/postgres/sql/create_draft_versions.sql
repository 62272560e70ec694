-- Key history in the making; without an index, as each row is written once and read once.
CREATE TEMP TABLE draft_versions ON COMMIT DROP AS
SELECT * FROM key_history
WITH NO DATA
