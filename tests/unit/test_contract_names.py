"""The contract is one class made of many: two tests of one name would be one test."""

from collections import Counter

from keyledger.adapters.conformance.contract import LedgerContract


def test_no_test_of_the_contract_hides_another() -> None:
    names = Counter(name for part in LedgerContract.__mro__ for name in vars(part) if name.startswith("test_"))
    assert not [name for name, times in names.items() if times > 1]
