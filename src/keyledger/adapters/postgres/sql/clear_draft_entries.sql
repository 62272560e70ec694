-- After end_draft_entries.
DELETE FROM draft_entries
