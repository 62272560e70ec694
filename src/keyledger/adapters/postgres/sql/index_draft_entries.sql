-- Entries that are touched again are loaded from the draft.
CREATE UNIQUE INDEX ON draft_entries (scope, key)
