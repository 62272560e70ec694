"""The command line: ``keyledger COMMAND``."""
