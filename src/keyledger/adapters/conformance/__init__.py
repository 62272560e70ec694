"""The test kit for anyone's storage adapter: contract, state machines, strategies (extra ``testing``).

Subclass :class:`~keyledger.adapters.conformance.contract.LedgerContract` with a fixture ``reopen`` that opens
the same ledger at each call, and let
:func:`~keyledger.adapters.conformance.machine.ledger_machine`,
:func:`~keyledger.adapters.conformance.run_machine.run_machine` and
:func:`~keyledger.adapters.conformance.tool_machine.tool_machine` compare it with plain dicts.
"""
