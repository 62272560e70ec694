-- What tells at open whether the cipher and compressor are those that the ledger was begun with.
SELECT s.sealed FROM ledger_seal AS s WHERE s.id = 1
