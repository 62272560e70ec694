-- What no generation needs any more. {table} is a generation's table.
DROP TABLE IF EXISTS {table}
