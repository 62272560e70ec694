"""Each adapter in turn, opened for asyncio."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import keyledger
from keyledger.adapters.aio.opening import Opening


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def opening(request: pytest.FixtureRequest, tmp_path: Path, schema: str) -> Callable[..., Opening]:
    """A function that opens a ledger that no other test uses; on memory a new one at each call."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return partial(keyledger.open_async, url, schema=schema)
    return partial(
        keyledger.open_async, f"sqlite:///{tmp_path}/l.db" if request.param == "sqlite" else "memory://"
    )


@pytest.fixture(params=["sqlite", "postgres"])
def options(request: pytest.FixtureRequest, tmp_path: Path, schema: str) -> dict[str, Any]:
    """The arguments of ``open`` and ``open_async`` for a ledger that outlives its closing."""
    if request.param == "sqlite":
        return {"url": f"sqlite:///{tmp_path}/ledger.db"}
    return {"url": request.getfixturevalue("postgres_url"), "schema": schema}
