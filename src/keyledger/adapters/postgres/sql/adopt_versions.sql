-- After remove_all_versions; the columns are the same, and in one order.
INSERT INTO key_history
SELECT * FROM draft_versions
