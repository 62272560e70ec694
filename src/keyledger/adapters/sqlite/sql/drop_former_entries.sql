-- The copy has served.
DROP TABLE former_entries
