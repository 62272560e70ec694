-- Current values in the making; the columns are those that the table has.
CREATE TEMP TABLE draft_entries AS
SELECT * FROM current_value LIMIT 0
