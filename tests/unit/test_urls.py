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
        ("postgresql://h1:1,h2:2/d?application_name=a@b", "postgresql://h1:1,h2:2/d?application_name=a@b"),
        ("postgresql://[::1]:5432/d?application_name=a@b", "postgresql://[::1]:5432/d?application_name=a@b"),
        ("postgresql://ada:hun@ter2@h/d", "postgresql://ada:***@h/d"),
        ("postgresql://ada:hun/ter2@h/d", "postgresql://ada:***@h/d"),
        ("postgresql://ada:hun?ter2@h/d", "postgresql://ada:***@h/d"),
        ("postgresql://ada:hun#ter2@h/d", "postgresql://ada:***@h/d"),
        ("postgresql://ada:h@un/ter2@h/d", "postgresql://ada:***@h/d"),
        ("postgresql://ada@h/d?password=hunter2&x=1", "postgresql://ada@h/d?password=***&x=1"),
        ("postgresql://h/d?sslpassword=hunter2", "postgresql://h/d?sslpassword=***"),
        ("no server at x://a:hunter2@h, or y://b:hunter2@h", "no server at x://a:***@h, or y://b:***@h"),
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
