"""How the ledger meets the world: stores that it drives, and ways in which the world calls it."""
