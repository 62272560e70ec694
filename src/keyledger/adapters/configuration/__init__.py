"""What a ledger is opened with, from arguments, ``keyledger.yaml`` and the environment, by pydantic-settings.

The strongest first: arguments, the file, ``KEYLEDGER_…`` in the environment, ``ATLAS_…`` there, defaults.
"""
