"""URLs of ledgers: their scheme, and how they are shown without what is secret in them."""

from __future__ import annotations

import re

NOT_SHOWN = "(not shown)"
_LONGEST = 64

_SCHEME = re.compile(r"([a-z][a-z0-9+._-]*):", re.IGNORECASE)
_PARTS = re.compile(r"://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<rest>.*)", re.DOTALL)
_PORTS = re.compile(r"(\[[^]]*\]|[^:]*)(:\d*)?(,.*)?")
_PLAIN = re.compile(
    r"""(?P<scheme>[a-z][a-z0-9+._-]*)://
    (?:(?P<user>[\w.~+-]*)(?P<password>:[^\s@:/?\#[\]]*)?@)?
    (?P<place>HOST(?:,HOST)*(?:/[^@:?\#%=&;\\\x00-\x1f]*)?)
    (?:\?(?P<query>[^@\#]*))?""".replace("HOST", r"(?:\[[0-9a-f:.]+\]|[\w.-]*)(?::[0-9]{0,5})?"),
    re.VERBOSE | re.IGNORECASE,
)
_VALUE = re.compile(r"[\w.,/:-]*")
_SHOWN_OPTIONS = frozenset(
    ("schema", "host", "hostaddr", "port", "dbname", "user", "sslmode", "application_name", "connect_timeout")
)
_HIDDEN_OPTIONS = frozenset(("password", "sslpassword", "passfile", "sslkey", "options"))
_SECRET = re.compile(r":/|[@=]|(pass|pwd|secret|token)\w*\s*:", re.IGNORECASE)
_NAMES_SECRET = re.compile(r"url|dsn|pass|pwd|secret|token|credential", re.IGNORECASE)


def scheme_of(url: object) -> str:
    """What stands before the first colon, in lower case; empty where nothing there could be a scheme."""
    found = _SCHEME.match(url) if isinstance(url, str) and "\0" not in url else None
    return found[1].lower() if found else ""


def shown_scheme(url: object) -> str:
    """The scheme of what is meant as a URL, and no more of it; ``…`` where it is none."""
    scheme = scheme_of(url)
    return scheme if scheme and str(url)[len(scheme) :].startswith("://") else "…"


def masked(url: str) -> str:
    """A URL that shows no password; of one that is not plainly written, nothing but the scheme is shown."""
    found = _PLAIN.fullmatch(url)
    if found is None:
        scheme = shown_scheme(url)
        return scheme if scheme == "…" else f"{scheme}://…"
    user, password, query = found["user"], found["password"], found["query"]
    if user and password is None and not found["scheme"].lower().startswith("postgres"):
        user = "***"  # the token of some service
    who = "" if user is None else f"{user}:***@" if password else f"{user}@"
    return f"{found['scheme']}://{who}{found['place']}" + ("" if query is None else f"?{_options(query)}")


def _options(query: str) -> str:
    """Those of which each is known; else a piece of a password might stand as a name."""
    pairs = [pair.partition("=") for pair in query.split("&")]
    if any(name not in _SHOWN_OPTIONS | _HIDDEN_OPTIONS for name, _, _ in pairs):
        return "…"
    return "&".join(
        f"{name}={value if name in _SHOWN_OPTIONS and _VALUE.fullmatch(value) else '***'}"
        for name, _, value in pairs
    )


def seen(got: object, key: str = "", longest: int = _LONGEST) -> object:
    """What came, fit to be shown in an error: a password may have been put in any place.

    A number or a short text is shown, of anything else its type; nothing under a ``key`` that names a secret, nor
    what looks like a URL or like a setting of a password.
    """
    if _NAMES_SECRET.search(key):
        return NOT_SHOWN
    if isinstance(got, str):
        return NOT_SHOWN if len(got) > longest or _SECRET.search(got) else got
    return got if got is None or isinstance(got, bool | int | float) else type(got).__name__


def is_ambiguous(url: str) -> bool:
    """Whether a character that ends a password stands in one: others would take the rest of it for a host."""
    found = _PARTS.search(url)
    if found is None:
        return False
    user, at, _ = found["authority"].rpartition("@")
    if at:
        return "@" in user + found["path"]
    return "@" in found["path"] + found["rest"] and not _PORTS.fullmatch(found["authority"])
