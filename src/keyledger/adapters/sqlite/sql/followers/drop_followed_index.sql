-- Before the rows go, which would otherwise leave each index one by one. {table} is an index's name.
DROP INDEX {table}
