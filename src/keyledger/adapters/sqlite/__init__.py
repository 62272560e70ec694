"""SQLite: one file, WAL, synchronous=FULL; any number of processes may share it."""
