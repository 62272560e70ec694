-- The first to open the ledger decides.
INSERT INTO ledger_seal (id, sealed) VALUES (1, :sealed)
ON CONFLICT (id) DO NOTHING
