-- The draft has served.
DROP TABLE draft_versions
