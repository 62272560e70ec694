"""The URIs of resources: any key has one, and it leads back to that key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.uri_template import UriTemplate

from keyledger import InvalidArgumentError
from keyledger.adapters.mcp.resources import TEMPLATES, key_resource, parse

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(text, text)
def test_the_uri_of_a_key_leads_back_to_it(key: str, scope: str) -> None:
    uri = key_resource(key, scope).uri
    assert parse(uri) == ("key", (scope, key), {})
    assert uri.isascii()
    assert uri.isprintable()
    assert not {"", ".", ".."} & set(uri.removeprefix("keyledger://").split("/"))


@given(text, text, st.integers(0, 2**64), st.integers(0, 2**64))
def test_a_client_that_expands_a_template_names_what_it_means(a: str, b: str, limit: int, before: int) -> None:
    key, history, trace = (UriTemplate.parse(template.uri_template) for template in TEMPLATES)
    assert parse(key.expand({"scope": a, "key": b})) == ("key", (a, b), {})
    assert parse(trace.expand({"run_id": a})) == ("trace", (a,), {})
    numbers = {"limit": limit, "before": before}
    asked = history.expand({"scope": a, "key": b} | {name: str(number) for name, number in numbers.items()})
    assert parse(asked) == ("history", (a, b), numbers)
    assert parse(history.expand({"scope": a, "key": b})) == ("history", (a, b), {})


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "keyledger://",
        "keyledger:key/skill/k",
        "http://key/skill/k",
        "keyledger://key/skill",
        "keyledger://key/skill/a/b",
        "keyledger://trace/a/b",
        "keyledger://nothing/skill/k",
        "keyledger://key/skill/%FF",
        "keyledger://key/skill/k?limit=1",
        "keyledger://key/skill/k?",
        "keyledger://history/skill/k?limit=x",
        "keyledger://history/skill/k?limit=-1",
        "keyledger://history/skill/k?limit=1&limit=2",
        "keyledger://history/skill/k?skill_id=bank",
        "keyledger://history/skill/k?limit=²",
    ],
)
def test_what_is_no_such_uri_is_refused_with_the_forms_there_are(uri: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^uri: got .*keyledger://key/\{scope\}/\{key\}") as raised:
        parse(uri)
    assert raised.value.got == uri
