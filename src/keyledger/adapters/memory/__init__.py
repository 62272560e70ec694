"""In memory: for tests and for reading, the whole Storage port in one file of dicts."""
