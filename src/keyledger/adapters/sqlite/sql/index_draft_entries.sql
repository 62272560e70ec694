-- Entries that are touched again are loaded from the draft.
CREATE UNIQUE INDEX temp.draft_entries_key ON draft_entries (scope, key)
