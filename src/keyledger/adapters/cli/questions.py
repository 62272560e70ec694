"""What bisect asks: a JMESPath expression, of values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.past.view import View
from keyledger.domain.records import Entry
from keyledger.domain.values import JSONValue

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult

QUOTES = "in JMESPath strings stand in single quotes, numbers in backticks"


class Question:
    """A JMESPath expression, asked of values; ``asked`` counts how often."""

    def __init__(self, expression: str | None) -> None:
        self.expression = expression or ""
        self._compiled = _compiled(expression)
        self.asked = 0

    def of_entry(self, entry: Entry | None) -> bool:
        """Whether it is true of the value of an entry, of null where there is none."""
        return self._is_true_of(None if entry is None else entry.value)

    def of_view(self, view: View, scope: str) -> bool:
        """Whether it is true of an object of all that a scope held."""
        return self._is_true_of({entry.key: entry.value for entry in view.scan(scope=scope)})

    @property
    def names_a_field_in_quotes(self) -> bool:
        """Whether there are double quotes outside of JSON: ``t == "F"`` compares with a field F."""
        return '"' in re.sub("`[^`]*`", "", self.expression)

    def is_false_of_nothing(self) -> bool:
        """Whether it is false of null; not so if it fails on it."""
        from jmespath.exceptions import JMESPathError  # noqa: PLC0415

        try:
            return not self._holds(None)
        except JMESPathError:
            return False

    def _is_true_of(self, value: JSONValue) -> bool:
        self.asked += 1
        return self._holds(value)

    def _holds(self, value: JSONValue) -> bool:
        found = self._compiled.search(value)
        return found is not None and found is not False and found not in ("", [], {})


def _compiled(expression: str | None) -> ParsedResult:
    from jmespath import compile as compiled  # noqa: PLC0415 - 10 ms, for this command alone
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415

    try:
        return compiled(expression or "")
    except JMESPathError as error:
        said = str(error).partition(", for expression")[0].partition("\n")[0]
        raise InvalidArgumentError("expression", expression, f"JMESPath ({said}); {QUOTES}") from None
