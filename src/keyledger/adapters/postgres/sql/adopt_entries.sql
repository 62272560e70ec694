-- After remove_all_entries; the columns are the same, and in one order.
INSERT INTO current_value
SELECT * FROM draft_entries
