-- As the table of runs is, indexes and all. {table} is a generation's table.
CREATE TABLE {table} (LIKE runs INCLUDING ALL)
