"""What the SQL adapters share: statements as files, rows, and the reads of the Storage port."""
