"""Each transport, each durable store and each generation of the protocol, every two of them together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.mcp.serving import MODES, Connect

MODERN, LEGACY = MODES


@pytest.fixture
def url_on(request: pytest.FixtureRequest, tmp_path: Path, schema: str) -> Callable[[str], str]:
    """The URL of a ledger that no other test uses, on that store."""

    def url_on(store: str) -> str:
        if store == "sqlite":
            return f"sqlite:///{tmp_path}/ledger.db"
        server: str = request.getfixturevalue("postgres_url")
        return f"{server}{'&' if '?' in server else '?'}schema={schema}"

    return url_on


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, url_on: Callable[[str], str]) -> str:
    """The URL of a ledger that no other test uses."""
    return url_on(request.param)


@pytest.fixture(
    params=[
        ("stdio", "sqlite", MODERN),
        ("stdio", "postgres", LEGACY),
        ("http", "sqlite", LEGACY),
        ("http", "postgres", MODERN),
    ],
    ids="-".join,
)
def connect(request: pytest.FixtureRequest, url_on: Callable[[str], str]) -> Iterator[Connect]:
    """Connects to servers of one ledger, for ada and the skill weather unless the options say otherwise."""
    transport, store, mode = request.param
    with ExitStack() as servers:
        yield Connect(transport, url_on(store), mode, servers)
