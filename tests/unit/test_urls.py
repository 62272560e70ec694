"""URLs are shown without what is secret in them."""

from __future__ import annotations

import pytest

from keyledger.adapters.urls import is_ambiguous, masked, scheme_of


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("postgresql://ada@h/d", "postgresql://ada@h/d"),
        ("postgresql://ada:hunter2@h:5432/d?schema=s", "postgresql://ada:***@h:5432/d?schema=s"),
        ("redis://:hunter2@h", "redis://:***@h"),
        ("postgresql://h1:1,h2:2/d?sslmode=require", "postgresql://h1:1,h2:2/d?sslmode=require"),
        ("postgresql://[::1]:5432/d?application_name=a@b", "postgresql://…"),
        ("postgresql://ada:hun@ter2@h/d", "postgresql://…"),
        ("postgresql://ada:hun/ter2@h/d", "postgresql://…"),
        ("postgresql://ada:hun?ter2@h/d", "postgresql://…"),
        ("postgresql://ada:hun#ter2@h/d", "postgresql://…"),
        ("postgresql://ada:h@un/ter2@h/d", "postgresql://…"),
        ("postgresql://ada@h/d?password=hunter2&port=1", "postgresql://ada@h/d?password=***&port=1"),
        ("postgresql://h/d?sslpassword=hunter2", "postgresql://h/d?sslpassword=***"),
        ("postgresql://ada@h/d?pass%77ord=hunter2", "postgresql://ada@h/d?…"),
        ("postgresql://h/d?password=a&hunter2=b", "postgresql://h/d?…"),
        ("postgresql://?password = hunter2", "postgresql://?…"),
        ("postgresql://ada:x hunter2@h/d", "postgresql://…"),
        ("postgresql://ada:x\nhunter2@h/d", "postgresql://…"),
        ("postgresql://ada:hunter2", "postgresql://…"),
        ("postgresql:/ada:hunter2@h", "…"),
        ("postgresql:ada:hunter2@h", "…"),
        ("host=h password=hunter2", "…"),
        ("https://hunter2@h/d", "https://***@h/d"),
    ],
)
def test_no_password_is_left(url: str, shown: str) -> None:
    assert masked(url) == shown


@pytest.mark.parametrize(
    ("url", "ambiguous"),
    [
        ("postgresql://ada:pw@h/d?x=a@b", False),
        ("postgresql://h:5432/d?x=a@b", False),
        ("postgresql:///d?host=/tmp/a@b", False),
        ("postgresql://", False),
        ("memory:", False),
        ("postgresql://ada:p@w@h/d", True),
        ("postgresql://ada:p/w@h/d", True),
        ("postgresql://ada:p?w@h/d", True),
        ("postgresql://ada:p@w/x@h/d", True),
    ],
)
def test_a_password_that_ends_too_early_is_found(url: str, ambiguous: bool) -> None:  # noqa: FBT001
    assert is_ambiguous(url) is ambiguous


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("sqlite:///a", "sqlite"),
        ("PostgreSQL+psycopg://h", "postgresql+psycopg"),
        ("host=h password=x:y", ""),
        ("a\0:", ""),
        ("", ""),
        (7, ""),
    ],
)
def test_the_scheme_stands_before_the_first_colon(url: object, scheme: str) -> None:
    assert scheme_of(url) == scheme
