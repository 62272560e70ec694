"""Where settings come from, which holds, and what is said of one that is wrong."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import keyledger
from keyledger.adapters.conformance.clock import ManualClock
from keyledger.domain.policy import ACCESS_FLAG
from keyledger.domain.skills.options import ValidateOptions

Write = Callable[[str], Path]

ATLAS = """\
logging: {level: debug}
tools:
  web_search: {provider: none}
  kv_store:
    default_adapter: postgres
    adapters:
      postgres:
        reuse_conversation_store: false
        url: postgresql+psycopg://atlas:hunter2@db.example.com:5432/atlas_kv
        namespace_quota_bytes: 2097152  # 2 MiB per namespace
        global_quota_bytes: 16777216   # 16 MiB total
        pool:
          size: 10
          max_overflow: 20
          timeout: 30
"""


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("KEYLEDGER_", "ATLAS_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        (tmp_path / "keyledger.yaml").write_text(text)
        return tmp_path / "keyledger.yaml"

    return write


def in_block(text: str) -> str:
    """A file with one line in the block of the PostgreSQL adapter."""
    return f"tools: {{kv_store: {{adapters: {{postgres: {{{text}}}}}}}}}"


def shown(config: keyledger.Config) -> dict[str, tuple[str, str]]:
    return {setting.name: (setting.value, setting.source) for setting in config.settings()}


def options(config: keyledger.Config, monkeypatch: pytest.MonkeyPatch, **more: Any) -> dict[str, Any]:
    """What ``open`` is called with."""
    called: list[dict[str, Any]] = []
    monkeypatch.setattr("keyledger.configured.open_ledger", lambda **given: called.append(given))
    config.open(**more)
    return called[0]


def refusal(*arguments: Any, **named: Any) -> str:
    with pytest.raises(keyledger.InvalidArgumentError) as refused:
        keyledger.load_config(*arguments, **named)
    assert "hunter2" not in str(refused.value)
    return str(refused.value)


# ------------------------------------------------------------------------------------------ sources


def test_without_anything_it_is_what_open_does(monkeypatch: pytest.MonkeyPatch) -> None:
    given = options(keyledger.load_config(), monkeypatch)
    defaults = keyledger.open.__kwdefaults__ or {}
    assert given.pop("url") == (keyledger.open.__defaults__ or ())[0]
    assert given.pop("skill_options").caps == ValidateOptions().caps
    assert given.pop("tier_quotas") == {}
    assert given == {name: defaults[name] for name in given}
    assert {setting.source for setting in keyledger.load_config().settings()} == {"default"}


def test_an_atlas_file_is_read_as_it_stands(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(ATLAS).rename("config.yaml")
    monkeypatch.setenv("KEYLEDGER_CONFIG", "config.yaml")
    given = options(keyledger.load_config(), monkeypatch)
    assert given["url"] == "postgresql+psycopg://atlas:hunter2@db.example.com:5432/atlas_kv"
    assert (given["quota"], given["global_quota"]) == (2_097_152, 16_777_216)
    assert (given["pool_size"], given["max_overflow"], given["pool_timeout"]) == (10, 20, 30)


def test_an_atlas_environment_is_read_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ATLAS_KV_STORE_URL": "postgresql+psycopg://h/d",
        "ATLAS_KV_REUSE_CONVERSATION": "false",
        "ATLAS_KV_NAMESPACE_QUOTA_BYTES": "5",
        "ATLAS_KV_GLOBAL_QUOTA_BYTES": "6",
        "ATLAS_KV_POOL_SIZE": "2",
        "ATLAS_KV_MAX_OVERFLOW": "3",
        "ATLAS_KV_POOL_TIMEOUT": "1.5",
    }.items():
        monkeypatch.setenv(name, value)
    given = options(keyledger.load_config(), monkeypatch, pool=object())
    assert given["url"] == "postgresql+psycopg://h/d"
    assert given["pool"] is None
    assert (given["quota"], given["global_quota"]) == (5, 6)
    assert (given["pool_size"], given["max_overflow"], given["pool_timeout"]) == (2, 3, 1.5)


def test_arguments_beat_the_file_and_that_the_environment(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(in_block("url: 'postgresql://h/file', pool: {size: 1, max_overflow: 2}"))
    monkeypatch.setenv("KEYLEDGER_KV_POOL_SIZE", "3")
    monkeypatch.setenv("ATLAS_KV_POOL_SIZE", "4")
    monkeypatch.setenv("ATLAS_KV_MAX_OVERFLOW", "5")
    monkeypatch.setenv("KEYLEDGER_KV_POOL_TIMEOUT", "6")
    monkeypatch.setenv("ATLAS_KV_POOL_TIMEOUT", "7")
    monkeypatch.setenv("ATLAS_KV_GLOBAL_QUOTA_BYTES", "8")
    found = shown(keyledger.load_config(pool_size=9))
    assert found["pool_size"] == ("9", "argument")
    assert found["max_overflow"] == ("2", "keyledger.yaml: tools.kv_store.adapters.postgres.pool.max_overflow")
    assert found["pool_timeout"] == ("6", "KEYLEDGER_KV_POOL_TIMEOUT in the environment")
    assert found["global_quota"] == ("8", "ATLAS_KV_GLOBAL_QUOTA_BYTES in the environment")
    assert found["quota"] == ("1048576", "default")


def test_a_variable_that_is_empty_and_a_key_without_a_value_are_not_there(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("tools:\n  kv_store:\n    adapters:\n      sqlite:\n        namespace_quota_bytes:\nskills:\n")
    monkeypatch.setenv("KEYLEDGER_KV_NAMESPACE_QUOTA_BYTES", "")
    monkeypatch.setenv("ATLAS_KV_NAMESPACE_QUOTA_BYTES", " 7 ")
    assert shown(keyledger.load_config())["quota"] == ("7", "ATLAS_KV_NAMESPACE_QUOTA_BYTES in the environment")


def test_none_as_an_argument_is_no_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYLEDGER_KV_NAMESPACE_QUOTA_BYTES", "7")
    assert options(keyledger.load_config(quota=None), monkeypatch)["quota"] is None


@pytest.mark.parametrize("word", ["y", "Yes", "TRUE", "on", "1"])
def test_words_for_true(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYLEDGER_KV_ENFORCE_FLAGS", word)
    assert options(keyledger.load_config(), monkeypatch)["enforce_flags"] is True


@pytest.mark.parametrize("word", ["n", "No", "FALSE", "off", "0"])
def test_words_for_false(word: str, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYLEDGER_KV_ENFORCE_FLAGS", word)
    assert options(keyledger.load_config(), monkeypatch)["enforce_flags"] is False
    monkeypatch.delenv("KEYLEDGER_KV_ENFORCE_FLAGS")
    write("tools: {kv_store: {enforce_flags: off}}")
    assert options(keyledger.load_config(), monkeypatch)["enforce_flags"] is False


def test_the_file_is_the_argument_else_the_variable_else_the_one_that_is_there(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("named", "variable", "default"):
        write(f"tools: {{kv_store: {{adapters: {{sqlite: {{url: 'sqlite:///{name}.db'}}}}}}}}").rename(
            f"{name}.yaml"
        )
    (tmp_path / "default.yaml").rename("keyledger.yaml")
    assert shown(keyledger.load_config())["url"][0] == "sqlite:///default.db"
    monkeypatch.setenv("KEYLEDGER_CONFIG", "variable.yaml")
    assert shown(keyledger.load_config())["url"][0] == "sqlite:///variable.db"
    config = keyledger.load_config(tmp_path / "named.yaml")
    assert (shown(config)["url"][0], config.file) == ("sqlite:///named.db", str(tmp_path / "named.yaml"))


def test_the_block_of_skills_becomes_the_options_that_judge_them(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        "skills:\n  model_tiers: [nano]\n  output_kinds: [mail]\n  input_types: [date]\n  visibilities: [team]\n"
        "  min_interval_minutes: 5\n  tiers:\n"
        "    default: {max_iterations: 1, max_tool_calls: 2, max_runtime: 3.5, quota_bytes: 4}\n"
        "    extended: {max_iterations: 5, max_tool_calls: 6, max_runtime: 7, quota_bytes: 8}\n"
    )
    given = options(keyledger.load_config(), monkeypatch)
    judged = given["skill_options"]
    assert (judged.model_tiers, judged.output_kinds) == (("nano",), ("mail",))
    assert (judged.input_types, judged.visibilities) == (("date",), ("team",))
    assert (judged.min_interval, judged.caps, judged.extended_caps) == (5, (1, 2, 3.5), (5, 6, 7))
    assert given["tier_quotas"] == {"default": 4, "extended": 8}


def test_what_is_configured_is_in_force(write: Write, tmp_path: Path) -> None:
    write(
        f"tools: {{kv_store: {{enforce_flags: off, adapters: {{sqlite: {{url: 'sqlite:///{tmp_path}/l.db',"
        " namespace_quota_bytes: 5}}}}"
        "\nskills: {model_tiers: [nano]}"
    )
    with keyledger.load_config().open(clock=ManualClock()) as ledger:
        skill = keyledger.Skill(name="n", system_prompt="p", model_tier="nano")
        assert ledger.skills.save("s", skill).revision == 1
        tools = ledger.tools(keyledger.Invocation(skill_id="s", caller_id="ada"))
        assert tools["kv_set"](key="a", value="123")["ok"]
        assert tools["kv_set"](key="b", value="1")["error"] == "quota_exceeded"
    with keyledger.load_config(enforce_flags=True).open() as ledger:
        refused = ledger.tools(keyledger.Invocation(skill_id="s", caller_id="ada")).call("kv_get", {"key": "a"})
        assert ACCESS_FLAG in str(refused["message"])


# ---------------------------------------------------------------------------------------- adapters


def test_a_block_that_stands_alone_is_the_one_that_is_meant(write: Write) -> None:
    write(in_block("url: 'postgresql://h/d'"))
    assert keyledger.load_config().adapter == "postgres"


def test_of_several_blocks_one_has_to_be_named(write: Write) -> None:
    write("tools: {kv_store: {adapters: {postgres: {url: 'postgresql://h/d'}, sqlite: {}}}}")
    assert refusal() == (
        "keyledger.yaml: tools.kv_store.default_adapter: got None; allowed is one of postgres, sqlite:"
        " which of them is meant?"
    )
    assert keyledger.load_config(url="sqlite:///x.db").adapter == "sqlite"


@pytest.mark.parametrize("provider", ["kv_store_postgres", "postgres", {"provider": "kv_store_postgres", "x": 1}])
def test_a_provider_chooses_the_adapter(provider: Any, write: Write) -> None:
    write("tools: {kv_store: {default_adapter: sqlite, adapters: {postgres: {url: 'postgresql://h/d'}}}}")
    config = keyledger.load_config(provider=provider)
    assert (config.adapter, shown(config)["url"][0]) == ("postgres", "postgresql://h/d")
    assert keyledger.load_config(provider={"name": "kv_get"}).adapter == "sqlite"


@pytest.mark.parametrize("provider", ["kv_store_redis", 7, {"provider": ["postgres"]}])
def test_a_provider_that_is_not_there_is_refused_with_those_that_are(provider: Any) -> None:
    assert "there are kv_store_memory, kv_store_postgres, kv_store_sqlite" in refusal(provider=provider)


def test_a_default_adapter_that_is_not_there_is_refused(write: Write) -> None:
    write("tools: {kv_store: {default_adapter: redis}}")
    assert refusal().startswith("keyledger.yaml: tools.kv_store.default_adapter: got 'redis'; allowed is")


def test_the_url_of_another_adapter_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("tools: {kv_store: {default_adapter: postgres}}")
    monkeypatch.setenv("KEYLEDGER_URL", "sqlite:///x.db")
    assert refusal() == (
        "KEYLEDGER_URL in the environment: got 'sqlite'; allowed is a URL of the adapter 'postgres'"
        " (keyledger.yaml: tools.kv_store.default_adapter)"
    )
    assert refusal(provider="memory").startswith("KEYLEDGER_URL in the environment: got 'sqlite'")
    assert refusal(provider="memory", url="sqlite:///y.db").startswith("url: got 'sqlite'")


def test_without_a_url_postgresql_is_not_opened() -> None:
    with pytest.raises(keyledger.NotConfiguredError, match=r"needs a URL: set .*\.url in keyledger\.yaml"):
        keyledger.load_config(provider="postgres").open()


def test_to_reuse_a_pool_there_has_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_KV_REUSE_CONVERSATION", "true")
    config = keyledger.load_config(provider="postgres")
    with pytest.raises(
        keyledger.NotConfiguredError, match="reuse_conversation_store is true, but no pool was given"
    ):
        config.open()
    pool = object()
    given = options(config, monkeypatch, pool=pool)
    assert (given["url"], given["pool"]) == ("postgresql://", pool)


def test_a_pool_that_is_not_to_be_reused_needs_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    config = keyledger.load_config(provider="postgres", reuse_conversation_store=False)
    with pytest.raises(keyledger.NotConfiguredError, match="needs a URL"):
        config.open(pool=object())
    config = keyledger.load_config(url="postgresql://h/d", reuse_conversation_store=False)
    assert options(config, monkeypatch, pool=object())["pool"] is None


# ----------------------------------------------------------------------------------------- notices


def test_where_file_and_environment_differ_it_is_said_without_a_password(
    write: Write, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(ATLAS)
    monkeypatch.setenv("ATLAS_KV_STORE_URL", "postgresql://u:hunter2@h/d")
    monkeypatch.setenv("ATLAS_KV_POOL_SIZE", "10")
    with caplog.at_level(logging.WARNING, "keyledger"):
        config = keyledger.load_config()
    expected = (
        "keyledger.yaml: tools.kv_store.adapters.postgres.url is"
        " postgresql+psycopg://atlas:***@db.example.com:5432/atlas_kv, which holds;"
        " ATLAS_KV_STORE_URL in the environment is postgresql://u:***@h/d"
    )
    assert config.notices == (expected,)
    assert caplog.messages == list(config.notices)
    assert keyledger.load_config(url="postgresql://h/d").notices == ()


def test_no_password_is_shown(write: Write) -> None:
    write(ATLAS)
    config = keyledger.load_config()
    assert "hunter2" not in repr(config) + repr(config.settings())


# ------------------------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize(
    ("line", "key", "allowed"),
    [
        ("pool: {size: ten}", "pool.size: got 'ten'", "an integer from 0 to 262143: connections"),
        ("pool: {size: '10'}", "pool.size: got '10'", "an integer"),
        ("pool: {size: true}", "pool.size: got True", "an integer"),
        ("pool: {size: -1}", "pool.size: got -1", "an integer from 0"),
        ("pool: {size: 1.0}", "pool.size: got 1.0", "an integer"),
        ("pool: {max_overflow: [1]}", "pool.max_overflow: got 'list'", "an integer"),
        ("pool: {timeout: 0}", "pool.timeout: got 0", "a number of seconds above 0"),
        ("pool: {timeout: .inf}", "pool.timeout: got inf", "a number of seconds"),
        ("pool: {timeout: .nan}", "pool.timeout: got nan", "a number of seconds"),
        ("pool: {timeout: true}", "pool.timeout: got True", "a number of seconds"),
        ("pool: 10", "pool: got 10", "a mapping of size, max_overflow, timeout"),
        ("namespace_quota_bytes: 1 MiB", "namespace_quota_bytes: got '1 MiB'", "a number of bytes"),
        ("global_quota_bytes: 99999999999999999999", "global_quota_bytes: got 9999", "a number of bytes"),
        ("reuse_conversation_store: maybe", "reuse_conversation_store: got 'maybe'", "true or false"),
        ("reuse_conversation_store: 1", "reuse_conversation_store: got 1", "true or false"),
        ("url: 7", "url: got '(not shown)'", "the URL of a ledger"),
        ("url: [hunter2]", "url: got '(not shown)'", "the URL of a ledger"),
    ],
)
def test_a_wrong_value_names_its_key_the_file_and_what_is_allowed(
    line: str, key: str, allowed: str, write: Write
) -> None:
    write(in_block(line))
    message = refusal()
    assert message.startswith(f"keyledger.yaml: tools.kv_store.adapters.postgres.{key}")
    assert allowed in message.partition("allowed is ")[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("skills: {tier: {}}", "unknown field 'keyledger.yaml: skills.tier'; known are model_tiers,"),
        (
            "skills: {tiers: {gold: {}}}",
            "unknown field 'keyledger.yaml: skills.tiers.gold'; known are default, ext",
        ),
        ("skills: {5: {}}", "unknown field 'keyledger.yaml: skills.5'"),
        ("tools: {kv_store: {adapter: x}}", "unknown field 'keyledger.yaml: tools.kv_store.adapter'; known are"),
        (in_block("hunter: hunter2"), "unknown field 'keyledger.yaml: tools.kv_store.adapters.postgres.hunter'"),
        (
            in_block("pool: {sice: 1}"),
            "unknown field 'keyledger.yaml: tools.kv_store.adapters.postgres.pool.sice'",
        ),
        ("tools: 5", "keyledger.yaml: tools: got 5; allowed is a mapping of kv_store"),
        ("tools: {kv_store: {adapters: [a]}}", "keyledger.yaml: tools.kv_store.adapters: got 'list'; allowed is"),
        (
            "skills: {model_tiers: nano}",
            "keyledger.yaml: skills.model_tiers: got 'nano'; allowed is a list of words",
        ),
        (
            "skills: {model_tiers: [7]}",
            "keyledger.yaml: skills.model_tiers: got 'list'; allowed is a list of words",
        ),
        ("skills: {min_interval_minutes: -1}", "keyledger.yaml: skills.min_interval_minutes: got -1; allowed is"),
        ("- a\n- b", "keyledger.yaml: got 'list'; allowed is a mapping"),
        ("tools: {\n  a: hunter2", "keyledger.yaml, line 2, column 13: got '(not shown)'; allowed is YAML"),
        (
            "tools: {}\nskills: {}\ntools: {}",
            "keyledger.yaml, line 3, column 1: got '(not shown)'; allowed is YAML",
        ),
        ("skills: {model_tiers: [], model_tiers: []}", "keyledger.yaml, line 1, column 27: got '(not shown)'"),
        (
            "url: *hunter2",
            "keyledger.yaml, line 1, column 6: got '(not shown)'; allowed is YAML, each key once (found",
        ),
        (
            "a: !hunter2 5",
            "keyledger.yaml, line 1, column 4: got '(not shown)'; allowed is YAML, each key once (could not",
        ),
        ("a: \x07", "keyledger.yaml: got '(not shown)'; allowed is YAML"),
        ("[" * 5_000, "keyledger.yaml: got '(not shown)'; allowed is YAML"),
    ],
)
def test_a_file_that_is_not_of_its_form_is_refused(text: str, message: str, write: Write) -> None:
    write(text)
    assert refusal().startswith(message)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keyledger.yaml").write_bytes(b"tools: \xff")
    assert refusal() == "keyledger.yaml: got '(not shown)'; allowed is YAML in UTF-8"


@pytest.mark.parametrize("text", ["", "# nothing\n", "tools:\n", "tools:\n  kv_store:\n", "other: [1, 2]\n"])
def test_a_file_may_say_nothing(text: str, write: Write) -> None:
    write(text)
    assert keyledger.load_config().adapter == "sqlite"


def test_a_block_may_take_over_another_by_a_merge_key(write: Write) -> None:
    write("x: &x {size: 1, timeout: 2}\n" + in_block("url: 'postgresql://h/d', pool: {<<: *x, size: 3}"))
    found = shown(keyledger.load_config())
    assert (found["pool_size"][0], found["pool_timeout"][0]) == ("3", "2")


def test_a_named_file_that_is_not_there_or_a_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refusal("no.yaml") == "file: got 'no.yaml'; allowed is the path of a YAML file that is there"
    assert refusal(tmp_path).startswith(f"file: got {str(tmp_path)!r}"[:80])
    assert refusal(7).startswith("file: got 7")
    monkeypatch.setenv("KEYLEDGER_CONFIG", "no.yaml")
    assert refusal().startswith("KEYLEDGER_CONFIG in the environment: got 'no.yaml'")


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("ATLAS_KV_POOL_SIZE", "ten", "an integer from 0 to 262143: connections"),
        ("KEYLEDGER_KV_MAX_OVERFLOW", "-1", "an integer from 0 to 262143: connections"),
        ("KEYLEDGER_KV_NAMESPACE_QUOTA_BYTES", "1_000", "an integer from 0: a number of bytes"),
        ("KEYLEDGER_KV_GLOBAL_QUOTA_BYTES", "٣", "an integer from 0: a number of bytes"),
        ("KEYLEDGER_KV_POOL_TIMEOUT", "nan", "a number of seconds above 0"),
        ("ATLAS_KV_REUSE_CONVERSATION", "maybe", "true or false"),
        ("KEYLEDGER_KV_ENFORCE_FLAGS", "2", "true or false"),
    ],
)
def test_a_wrong_variable_is_named(
    variable: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    shown_value = value if value == "-1" else repr(value)
    assert refusal() == f"{variable} in the environment: got {shown_value}; allowed is {allowed}"


def test_a_url_of_no_adapter_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_KV_STORE_URL", "mysql://u:hunter2@h/d")
    assert refusal().startswith("ATLAS_KV_STORE_URL in the environment: got 'mysql'; allowed is a URL of one of")
    monkeypatch.setenv("ATLAS_KV_STORE_URL", "host=h password=hunter2")
    assert refusal().startswith("ATLAS_KV_STORE_URL in the environment: got '…'")


@pytest.mark.parametrize(("name", "value"), [("pool_size", "3"), ("quota", -1), ("colour", 1), ("url", "")])
def test_a_wrong_argument_is_refused(name: str, value: Any) -> None:
    assert refusal(**{name: value}).startswith(f"{name}: got ")


# ----------------------------------------------------------------------------------- after a review


@pytest.mark.parametrize("name", ["kv_store_sqlite", "sqlite"])
def test_a_block_may_have_the_name_of_the_provider(name: str, write: Write) -> None:
    write(f"tools: {{kv_store: {{adapters: {{{name}: {{namespace_quota_bytes: 7}}}}}}}}")
    config = keyledger.load_config()
    source = f"keyledger.yaml: tools.kv_store.adapters.{name}.namespace_quota_bytes"
    assert (config.adapter, shown(config)["quota"]) == ("sqlite", ("7", source))


def test_two_blocks_of_one_adapter_are_refused(write: Write) -> None:
    write("tools: {kv_store: {adapters: {postgres: {}, kv_store_postgres: {}}}}")
    assert "allowed is one block for 'postgres'" in refusal()


@pytest.mark.parametrize("word", ["true", "false"])
def test_an_environment_that_speaks_of_a_hosts_pool_means_postgresql(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_KV_REUSE_CONVERSATION", word)
    config = keyledger.load_config()
    assert shown(config)["adapter"] == ("postgres", "ATLAS_KV_REUSE_CONVERSATION in the environment")
    with pytest.raises(keyledger.NotConfiguredError):
        config.open()
    if word == "true":
        pool = object()
        given = options(config, monkeypatch, pool=pool)
        assert (given["url"], given["pool"]) == ("postgresql://", pool)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ATLAS_KV_NAMESPACE_QUOTA_BYTES", "5"),
        ("ATLAS_KV_GLOBAL_QUOTA_BYTES", "6"),
        ("ATLAS_KV_POOL_SIZE", "2"),
        ("ATLAS_KV_MAX_OVERFLOW", "3"),
        ("ATLAS_KV_POOL_TIMEOUT", "1.5"),
        ("ATLAS_KV_REUSE_CONVERSATION", "yes"),
    ],
)
def test_with_any_variable_of_atlas_a_hosts_pool_means_postgresql(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    pool = object()
    given = options(keyledger.load_config(), monkeypatch, pool=pool)
    assert (given["url"], given["pool"]) == ("postgresql://", pool)


@pytest.mark.parametrize("value", ["2026-13-45", "!!map [a]", "!!timestamp a", "!!bool hunter2", "!!binary é"])
def test_whatever_the_loader_raises_is_an_error_of_ours(value: str, write: Write) -> None:
    write(f"other: {value}")
    assert refusal().startswith("keyledger.yaml")


@pytest.mark.parametrize("value", ["017", "1:30", "0b_", "!!int abc", "0o17", "1" * 5_000])
def test_a_number_that_is_another_or_none_is_refused(value: str, write: Write) -> None:
    write(f"other: {value}")
    keyledger.load_config()
    write(in_block(f"namespace_quota_bytes: {value}"))
    assert refusal().startswith("keyledger.yaml: tools.kv_store.adapters.postgres.namespace_quota_bytes: got '")


def test_a_bomb_of_merges_is_refused(write: Write) -> None:
    keys = ", ".join(f"k{number}: 1" for number in range(10))
    lines = [f"a0: &a0 {{{keys}}}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    write("\n".join(lines))
    assert "keys merged" in refusal()


def test_a_path_that_cannot_be_read_names_what_named_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal("a" * 5_000).startswith("file: got '(not shown)'")
    assert refusal("").startswith("file: got ''")
    (tmp_path / "keyledger.yaml").symlink_to("gone")
    assert refusal().startswith("./keyledger.yaml: got 'keyledger.yaml'")
    (tmp_path / "keyledger.yaml").unlink()
    (tmp_path / "keyledger.yaml").mkdir()
    assert refusal().startswith("./keyledger.yaml: got 'keyledger.yaml'")
    monkeypatch.setenv("KEYLEDGER_CONFIG", "b" * 5_000)
    assert refusal().startswith("KEYLEDGER_CONFIG in the environment: got")


def test_a_pool_without_connections_is_refused(write: Write) -> None:
    write(in_block("url: 'postgresql://h/d', pool: {size: 0, max_overflow: 0}"))
    assert refusal().startswith("keyledger.yaml: tools.kv_store.adapters.postgres.pool.max_overflow: got 0")
    write(in_block("url: 'postgresql://h/d', pool: {size: 262144}"))
    assert refusal().startswith("keyledger.yaml: tools.kv_store.adapters.postgres.pool.size: got 262144")
    assert refusal(pool_size=0, max_overflow=0, url="memory://").startswith("keyledger.yaml")


_SECRETS = (
    "postgresql://ada:hunter2@h/d",
    "postgresql://ada:x hunter2@h/d",
    "postgresql:/ada:hunter2@h/d",
    "postgresql:ada:hunter2@h/d",
    "postgresql://h/d?pass%77ord=hunter2",
    "postgresql://h/d?password = hunter2",
    "host=h password=hunter2",
)
_SLOTS = (
    "tools: {kv_store: %s}",
    "tools: {kv_store: {adapters: %s}}",
    "tools: {kv_store: {default_adapter: %s}}",
    "tools: {kv_store: {enforce_flags: %s}}",
    "tools: {kv_store: {%s: 1}}",
    "tools: {kv_store: {adapters: {%s: {namespace_quota_bytes: x}}}}",
    "tools: {kv_store: {adapters: {%s: {}}}}",
    "skills: %s",
    "skills: {model_tiers: [%s]}",
    "skills: {min_interval_minutes: %s}",
    "a: {%s: 1, %s: 2}",
    *map(
        in_block,
        (
            "url: %s",
            "dsn: %s",
            "%s: 1",
            "pool: %s",
            "pool: {size: %s}",
            "pool: {timeout: [%s]}",
            "namespace_quota_bytes: %s",
            "global_quota_bytes: {a: %s}",
            "reuse_conversation_store: %s",
        ),
    ),
)
_VARIABLES = (
    *("KEYLEDGER_URL", "ATLAS_KV_STORE_URL", "KEYLEDGER_CONFIG", "KEYLEDGER_KV_ENFORCE_FLAGS"),
    *("KEYLEDGER_KV_POOL_SIZE", "ATLAS_KV_POOL_TIMEOUT", "ATLAS_KV_REUSE_CONVERSATION"),
)
_ARGUMENTS = ("url", "quota", "pool_size", "enforce_flags", "model_tiers", "provider", "file", "password")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(_SECRETS),
    st.one_of(st.none(), st.sampled_from(_SLOTS)),
    st.sets(st.sampled_from(_VARIABLES), max_size=2),
    st.one_of(st.none(), st.sampled_from(_ARGUMENTS)),
    st.booleans(),
)
def test_a_password_in_any_place_is_never_shown(
    write: Write,
    secret: str,
    slot: str | None,
    variables: set[str],
    argument: str | None,
    in_list: bool,  # noqa: FBT001 - Hypothesis passes it
) -> None:
    file = write("" if slot is None else slot.replace("%s", json.dumps(secret)))
    options: dict[str, Any] = {"file": file}
    if argument is not None:
        options[argument] = [secret] if in_list else secret
    with pytest.MonkeyPatch.context() as patch:
        for variable in variables:
            patch.setenv(variable, secret)
        try:
            config = keyledger.load_config(**options)
        except keyledger.KeyledgerError as error:
            said = f"{error!s} {error!r} {error.__dict__}"
        else:
            said = f"{config!r} {config.settings()!r} {config.notices!r}"
    assert "hunter2" not in said
