"""PostgreSQL: the server. One statement per write, no table lock, no NOTIFY, nothing shared between streams."""
