"""Each transport, each durable store and each generation of the protocol, every two of them together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.mcp.serving import MODES, Connect, Shared

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


EVERY_TWO = [
    ("stdio", "sqlite", MODERN),
    ("stdio", "postgres", LEGACY),
    ("http", "sqlite", LEGACY),
    ("http", "postgres", MODERN),
]


@pytest.fixture(params=EVERY_TWO, ids="-".join)
def connect_alone(request: pytest.FixtureRequest, url_on: Callable[[str], str]) -> Iterator[Connect]:
    """Connects to servers of a ledger that no other test uses, for whom the options say."""
    transport, store, mode = request.param
    with ExitStack() as servers:
        yield Connect(transport, url_on(store), mode, servers)


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """The ledgers and servers that tests share, each with a skill of its own."""

    def postgres_url() -> str:
        server: str = request.getfixturevalue("postgres_url")
        return f"{server}{'&' if '?' in server else '?'}schema=mcp_{os.getpid()}"

    with ExitStack() as servers:
        yield Shared(tmp_path_factory.mktemp("mcp"), postgres_url, servers)


@pytest.fixture(params=EVERY_TWO, ids="-".join)
def connect(request: pytest.FixtureRequest, shared: Shared) -> Connect:
    """Connects to a server that other tests use too, for ada and a skill that is no other test's."""
    return shared.connect(*request.param)
