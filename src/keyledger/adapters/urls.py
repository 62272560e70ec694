"""URLs of ledgers: their scheme, and how they are shown without what is secret in them."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"([a-z][a-z0-9+._-]*):", re.IGNORECASE)
_BEHIND_SCHEME = re.compile(r"://\S*")
_PARTS = re.compile(r"://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<rest>.*)")
_PORTS = re.compile(r"(\[[^]]*\]|[^:]*)(:\d*)?(,.*)?")
_QUERY = re.compile(r"([?&][^=&#\s]*(?:password|passwd|pwd|secret|token|key)[^=&#\s]*=)[^&#\s]*", re.IGNORECASE)


def scheme_of(url: object) -> str:
    """What stands before the first colon, in lower case; empty where nothing there could be a scheme."""
    found = _SCHEME.match(url) if isinstance(url, str) and "\0" not in url else None
    return found[1].lower() if found else ""


def masked(text: str) -> str:
    """A URL, or a text with one in it, that shows no password, however badly it was written."""
    return _QUERY.sub(r"\1***", _BEHIND_SCHEME.sub(_without_password, text))


def is_ambiguous(url: str) -> bool:
    """Whether a character that ends a password stands in one: others would take the rest of it for a host."""
    found = _PARTS.search(url)
    if found is None:
        return False
    user, at, _ = found["authority"].rpartition("@")
    if at:
        return "@" in user + found["path"]
    return "@" in found["path"] + found["rest"] and not _PORTS.fullmatch(found["authority"])


def _without_password(found: re.Match[str]) -> str:
    url = found[0]
    end = url.rfind("@") if is_ambiguous(url) else re.split("[/?#]", url[3:])[0].rfind("@") + 3
    user, colon, _ = url[3:end].partition(":")
    return f"://{user}:***{url[end:]}" if colon else url
