"""Partitions, scopes and keys: their grammar, and which stream a scope's entries live in.

A scope is ``skill``, ``user:<id>``, ``run:<id>`` or ``root_run:<id>``. Entries of the first three live in
their partition's own stream. A ``root_run:`` scope is shared by a whole dispatch tree, whatever skill
writes it, so it lives in a stream of the tree: ``partition:__root_run__:<root run id>``. Users see those
streams as one partition, ``__root_run__``, and can name neither it nor a tree's stream as their own.
"""

from __future__ import annotations

from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.values import is_utf8

SKILL = "skill"
ROOT_RUN_PARTITION = "__root_run__"
STREAM_PREFIX = "partition:"
TREE_STREAM_PREFIX = f"{STREAM_PREFIX}{ROOT_RUN_PARTITION}:"

MAX_KEY_BYTES = 512
MAX_ID_BYTES = 256

_KINDS_WITH_ID = ("user", "run", "root_run")
_GRAMMAR = "'skill', 'user:<id>', 'run:<id>' or 'root_run:<id>'"


def check_text(field: str, text: object, max_bytes: int) -> None:
    """Raise InvalidArgumentError unless ``text`` is a str of 1 to ``max_bytes`` UTF-8 bytes without NUL."""
    if type(text) is not str:
        raise InvalidArgumentError(field, text, "a str")
    if not text:
        raise InvalidArgumentError(field, text, "at least one character")
    if "\0" in text or not (text.isascii() or is_utf8(text)):
        raise InvalidArgumentError(field, text, "text without NUL and lone surrogates")
    if len(text) > max_bytes or (not text.isascii() and len(text.encode()) > max_bytes):
        raise InvalidArgumentError(field, text, f"at most {max_bytes} UTF-8 bytes")


def check_key(key: object) -> None:
    """Raise InvalidArgumentError unless ``key`` is a str of 1 to 512 UTF-8 bytes without NUL."""
    check_text("key", key, MAX_KEY_BYTES)


def check_id(field: str, text: object) -> None:
    """Raise InvalidArgumentError unless ``text`` may name a partition, user or run: 1 to 256 UTF-8 bytes."""
    check_text(field, text, MAX_ID_BYTES)
    if str(text).startswith(ROOT_RUN_PARTITION):
        raise InvalidArgumentError(field, text, f"an id that does not begin with {ROOT_RUN_PARTITION}")


def check_scope(scope: object) -> None:
    """Raise InvalidArgumentError unless ``scope`` follows the grammar, with a non-empty id where it has one."""
    if scope == SKILL:
        return
    kind, colon, identity = scope.partition(":") if type(scope) is str else ("", "", "")
    if kind not in _KINDS_WITH_ID or not colon:
        raise InvalidArgumentError("scope", scope, _GRAMMAR)
    try:
        check_id("scope", identity)
    except InvalidArgumentError as error:
        raise InvalidArgumentError("scope", scope, f"'{kind}:<id>', where <id> is {error.allowed}") from None


def partition_stream(partition_id: str) -> str:
    """The stream of a partition: ``partition:<id>``, the text that its events have as originator_id."""
    check_id("partition", partition_id)
    return STREAM_PREFIX + partition_id


def stream_of(stream: str, scope: str) -> str:
    """The stream in which a scope's entries live, seen from a partition's stream."""
    return TREE_STREAM_PREFIX + scope.removeprefix("root_run:") if scope.startswith("root_run:") else stream


def is_tree(stream: str) -> bool:
    """Whether a stream belongs to a dispatch tree, and so is exempt from a partition's quota."""
    return stream.startswith(TREE_STREAM_PREFIX)


def name_of(stream: str) -> str:
    """A stream's name as errors and tokens tell it: a partition's id, or ``__root_run__:<id>`` of a tree."""
    return stream.removeprefix(STREAM_PREFIX)


def stream_named(name: str) -> str:
    """The stream that ``name_of`` gives ``name`` for; InvalidArgumentError if there can be none."""
    kind, colon, root = name.partition(":")
    if kind != ROOT_RUN_PARTITION or not colon:
        return partition_stream(name)
    check_id("root run", root)
    return TREE_STREAM_PREFIX + root


def tree_scope(stream: str) -> str:
    """The scope whose entries a dispatch tree's stream holds."""
    return f"root_run:{stream.removeprefix(TREE_STREAM_PREFIX)}"


def partition_of(stream: str) -> str:
    """The partition that users see a stream under."""
    return ROOT_RUN_PARTITION if is_tree(stream) else stream.removeprefix(STREAM_PREFIX)


def key_range(prefix: str, after: str) -> tuple[str, str]:
    r"""The half-open range, in UTF-8 byte order, of what begins with ``prefix`` and comes after ``after``.

    ``key_range("ab", "") == ("ab", "ac")``; after ``abc`` it begins at ``abc\x01``, the first name that can
    follow it, as names hold no NUL.
    """
    start = max(prefix, f"{after}\x01") if after else prefix
    for length in range(len(prefix), 0, -1):
        following = ord(prefix[length - 1]) + 1
        if following == _FIRST_SURROGATE:
            following = _AFTER_SURROGATES
        if following <= _LAST_CODE_POINT:
            return start, prefix[: length - 1] + chr(following)
    return start, _BEYOND_ALL


_FIRST_SURROGATE, _AFTER_SURROGATES, _LAST_CODE_POINT = 0xD800, 0xE000, 0x10FFFF
_BEYOND_ALL = chr(_LAST_CODE_POINT) * (MAX_KEY_BYTES // 4 + 1)


def beyond_scopes() -> tuple[str, str]:
    """A (scope, key) beyond all that can be."""
    return chr(_LAST_CODE_POINT), ""
