-- The swap. {table} and {other} are a generation's names.
ALTER TABLE {table} RENAME TO {other}
