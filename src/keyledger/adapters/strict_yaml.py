"""YAML of which nothing is lost on the way: a key that stands twice is refused."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

_MOST_MERGED = 10_000
"""Keys that a mapping may have from others, by ``<<``: a few lines could ask for billions."""


def _at(error: Exception, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=str(error), problem_mark=mark)


class StrictLoader(yaml.SafeLoader):
    """YAML's safe one, which would keep the last of two equal keys.

    What it raises is a YAMLError, or a RecursionError.
    """

    def get_single_data(self) -> Any:
        try:
            return super().get_single_data()
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:  # noqa: BLE001 - of an escape as "\Uffffffff", and so on
            raise _at(error, self.get_mark()) from None

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's
        try:
            return super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:  # noqa: BLE001 - of a date that there is not, a number that is none, and so on
            raise _at(error, node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        seen = {"<<": 0}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and seen.setdefault(key.value, id(key)) not in {0, id(key)}:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value} twice", problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > _MOST_MERGED:
            problem = f"more than {_MOST_MERGED} keys merged"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def problem_of(error: Exception, text: str) -> tuple[int, int, str] | None:
    """Line and column, from 1, of what is wrong with a ``text``, and what it is; None where nobody can say."""
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        column = len(before) - before.rfind("\n")
        return before.count("\n") + 1, column, f"the character U+{error.character:04X} is not allowed"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return None
    return mark.line + 1, mark.column + 1, ", ".join(filter(None, (error.context, error.problem, error.note)))
