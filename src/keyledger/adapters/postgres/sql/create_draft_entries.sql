-- Current values in the making, gone with the transaction; the columns are those that the table has.
CREATE TEMP TABLE draft_entries ON COMMIT DROP AS
SELECT * FROM current_value
WITH NO DATA
