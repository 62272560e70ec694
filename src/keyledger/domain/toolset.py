"""The tools of one invocation, as an agent host holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from keyledger.domain.values import JSONValue

if TYPE_CHECKING:
    from keyledger.domain.policy import Permission

Result: TypeAlias = dict[str, JSONValue]
"""What a call came to: the tool's own result, or ``error``, a stable word, and ``message``."""

SentArguments: TypeAlias = Mapping[str, Any] | str | bytes | None
"""What a model sent along with a call: an object, its JSON text, or nothing."""


MAX_ANSWER_BYTES = 262_144
"""The values of one answer of kv_list or kv_history, in bytes of their JSON text, if there is more than one."""


class Tool(Protocol):
    """One tool, to be called with its arguments by name.

    ``schema`` is the JSON Schema of its arguments. ``permission`` and ``requires_flags`` say what it asks for.
    """

    @property
    def name(self) -> str:
        """As a model calls it."""
        ...

    @property
    def description(self) -> str:
        """What it does, for a model to read."""
        ...

    @property
    def permission(self) -> Permission:
        """What it declares of itself."""
        ...

    @property
    def requires_flags(self) -> tuple[str, ...]:
        """The flags that an invocation needs."""
        ...

    @property
    def schema(self) -> dict[str, Any]:
        """A JSON Schema of its arguments, new at each call."""
        ...

    def __call__(self, /, **arguments: JSONValue) -> Result:
        """As :meth:`Toolset.call` of this tool."""
        ...


class Toolset(Protocol):
    """The tools that one invocation may use: iterate over their names, take one by its name.

    Those whose flags the invocation does not have are not among them while flags are enforced.
    """

    def __iter__(self) -> Iterator[str]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, name: str) -> Tool: ...

    def call(self, name: str, arguments: SentArguments = None) -> Result:
        """Do what a model asks for; its result, or ``{"error": CODE, "message": …}`` for it to read.

        It raises nothing, whatever was sent.
        """
        ...

    def openai(self) -> list[dict[str, Any]]:
        """The tools as OpenAI's chat completions take them."""
        ...

    def anthropic(self) -> list[dict[str, Any]]:
        """The tools as Anthropic's messages take them."""
        ...

    def mcp(self) -> list[dict[str, Any]]:
        """The tools as an MCP server lists them."""
        ...
