import os

collect_ignore = [] if os.environ.get("KEYLEDGER_TEST_CITUS") else ["test_citus.py"]
"""A Citus cluster is not to be had everywhere; where the variable names its coordinator, its contract is run."""
