-- The draft has served.
DROP TABLE draft_entries
