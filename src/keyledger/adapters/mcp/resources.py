"""Resources and their URIs: a key, its history, the trace of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from mcp_types import Resource, ResourceTemplate

from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.scope import SKILL

JSON: Final = "application/json"
_SCHEME: Final = "keyledger://"
_QUERY: Final = {"key": (), "history": ("limit", "before"), "trace": ("limit", "after")}

TEMPLATES: Final = (
    ResourceTemplate(
        name="key",
        title="A key",
        uri_template=f"{_SCHEME}key/{{scope}}/{{key}}",
        description="What a key holds now, with its revision. The scope is skill, user:ID, run:ID or root_run:ID.",
        mime_type=JSON,
    ),
    ResourceTemplate(
        name="history",
        title="The history of a key",
        uri_template=f"{_SCHEME}history/{{scope}}/{{key}}{{?limit,before}}",
        description="The versions of a key, newest first; next is the before that continues.",
        mime_type=JSON,
    ),
    ResourceTemplate(
        name="trace",
        title="The trace of a run",
        uri_template=f"{_SCHEME}trace/{{run_id}}{{?limit,after}}",
        description=(
            "A run and its log, a page at a time: the run that the server serves, or one that led to it; next is "
            "the after that continues."
        ),
        mime_type=JSON,
    ),
)


class Place(NamedTuple):
    """What a URI names: its kind, the parts of its path, the numbers of its query."""

    kind: str
    parts: tuple[str, ...]
    numbers: Mapping[str, int]


def parse(uri: str) -> Place:
    """What a URI of one of the TEMPLATES names; each part of it is percent-encoded UTF-8.

    Raises:
        InvalidArgumentError: it is not one of them.
    """
    path, asks, query = uri.removeprefix(_SCHEME).partition("?")
    kind, *parts = path.split("/")
    wanted = {"key": 2, "history": 2, "trace": 1}.get(kind)
    if not uri.startswith(_SCHEME) or len(parts) != wanted or (asks and not _QUERY[kind]):
        raise _not_ours(uri)
    try:
        return Place(kind, tuple(unquote(part, errors="strict") for part in parts), _numbers(query, _QUERY[kind]))
    except ValueError:
        raise _not_ours(uri) from None


def _numbers(query: str, known: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for pair in filter(None, query.split("&")):
        name, _, number = pair.partition("=")
        if name not in known or name in found or not (number.isascii() and number.isdecimal()):
            raise ValueError(pair)
        found[name] = int(number)
    return found


def _not_ours(uri: str) -> InvalidArgumentError:
    return InvalidArgumentError("uri", uri, " or ".join(template.uri_template for template in TEMPLATES))


def key_resource(key: str, scope: str = SKILL) -> Resource:
    """The resource that stands for a key."""
    return Resource(name=key, uri=f"{_SCHEME}key/{_part(scope)}/{_part(key)}", mime_type=JSON)


def _part(text: str) -> str:
    """``text`` as one part of a path; what consists of dots is encoded too, as a part of dots means another."""
    return quote(text, safe="") if text.strip(".") else "%2E" * len(text)
