"""Each durable adapter in turn, by URL, so that a test says what must hold on both."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import keyledger


@pytest.fixture(params=["sqlite", "postgres"])
def options(request: pytest.FixtureRequest, tmp_path: Path, schema: str) -> dict[str, Any]:
    """The arguments of ``keyledger.open`` for a ledger that no other test uses; they can be pickled."""
    if request.param == "sqlite":
        return {"url": f"sqlite:///{tmp_path}/ledger.db"}
    return {"url": request.getfixturevalue("postgres_url"), "schema": schema}


@pytest.fixture
def reopen(options: dict[str, Any]) -> Callable[..., keyledger.Ledger]:
    """A function that opens that ledger at each call."""
    return partial(keyledger.open, **options)
