"""The key tools as the memory operations of the GenAI conventions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.scope import ROOT_RUN_PARTITION, SKILL, check_key, check_scope


def operation(tool: str, args: Mapping[str, Any]) -> str | None:
    """The memory operation that a tool call is; a condition on the revision says whether it creates or updates."""
    if tool in {"kv_set", "kv_increment"}:
        expected = args.get("if_revision")
        if expected is None:
            return "upsert_memory"
        return "update_memory" if expected else "create_memory"
    return {"kv_get": "search_memory", "kv_list": "search_memory", "kv_delete": "delete_memory"}.get(tool)


def store_id(args: Mapping[str, Any], partition_id: str) -> str:
    """The store that a call goes to: the partition; what a dispatch tree shares is in one of its own."""
    scope = args.get("scope")
    return ROOT_RUN_PARTITION if isinstance(scope, str) and scope.startswith("root_run:") else partition_id


def record_id(args: Mapping[str, Any]) -> str | None:
    """The record that a call is about: ``scope/key``, unique within its store; None where it is no key."""
    scope, key = args.get("scope") or SKILL, args.get("key")
    try:
        check_scope(scope)
        check_key(key)
    except InvalidArgumentError:
        return None
    return f"{scope}/{key}"


def record_count(tool: str, result: Mapping[str, Any]) -> int:
    """How many records a call that was answered was about, or found."""
    if tool == "kv_list":
        return len(result["entries"])
    return int(result["found"]) if tool == "kv_get" else 1
