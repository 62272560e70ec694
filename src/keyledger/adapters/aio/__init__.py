"""The ledger for asyncio: the same engine, awaited."""
