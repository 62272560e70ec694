"""Whether a statement touches the rows of one stream alone: told by its tree from PostgreSQL's own parser.

A column is *pinned* if it can hold nothing but the stream's id: an ``=`` that every row must meet compares it with
the parameter ``stream``, or with a pinned column. A statement is routed if each table in it is distributed, and
its distribution column is pinned where rows are read, and given the stream's id where rows are inserted. What is
forbidden is refused by naming what is allowed: four kinds of statement, and a few functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType, JoinType, SetOperation

from keyledger.adapters.postgres.schema import DISTRIBUTED

FUNCTIONS = frozenset({"count", "decode", "json_to_recordset", "max", "sum", "unnest"})
"""What a statement may call. None is volatile, which a test asks the server."""

STREAM = "stream"
QUERIES = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt)

Column: TypeAlias = tuple[str, str]
"""An alias and a column of it."""

Outputs: TypeAlias = list[tuple[str, bool]]
"""The names of a query's columns, and whether each is pinned."""


class NotRoutedError(Exception):
    """Why a statement may not run on the hot path."""


def check_routed(text: str) -> None:
    """Raise NotRoutedError unless the statement, with its parameters as psycopg takes them, is routed."""
    names = sorted(set(re.findall(r"%\((\w+)\)s", text)), key=lambda name: name != STREAM)
    if STREAM not in names:
        raise NotRoutedError("no parameter names the stream")
    for number, name in enumerate(names, 1):
        text = text.replace(f"%({name})s", f"${number}")
    statements: Any = parse_sql(text)
    if len(statements) != 1:
        raise NotRoutedError("more than one statement")
    _outputs_of(statements[0].stmt, {}, frozenset())


@dataclass
class _Level:
    """One query, without those within it: its relations, what its conditions compare, and what that pins."""

    ctes: Mapping[str, Outputs]
    pinned: set[Column]
    tables: dict[str, str] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)
    equal: list[tuple[Any, Any, frozenset[str] | None]] = field(default_factory=list)
    """Both sides, and the aliases that this may pin: None is all, fewer under an outer join."""

    def add(self, item: Any) -> None:
        """Take in an item of a FROM list."""
        match item:
            case ast.RangeVar():
                self._add_named(item)
            case ast.RangeFunction():
                self._name(item.alias.aliasname)
            case ast.RangeSubselect():
                outer = frozenset(self.pinned) if item.lateral else frozenset()
                self._add_outputs(item.alias.aliasname, _outputs_of(item.subquery, self.ctes, outer))
            case ast.JoinExpr():
                self._add_join(item)
            case _:
                raise NotRoutedError(f"{type(item).__name__} in FROM")

    def _add_named(self, item: Any) -> None:
        alias = item.alias.aliasname if item.alias else item.relname
        if item.schemaname is None and item.relname in self.ctes:
            self._add_outputs(alias, self.ctes[item.relname])
        elif item.relname in DISTRIBUTED and item.schemaname is None:
            self._name(alias)
            self.tables[alias] = item.relname
        else:
            raise NotRoutedError(f"{item.relname} is not distributed by the stream")

    def _add_outputs(self, alias: str, outputs: Outputs) -> None:
        self._name(alias)
        self.pinned |= {(alias, name) for name, pinned in outputs if pinned}

    def _add_join(self, join: Any) -> None:
        if join.jointype not in {JoinType.JOIN_INNER, JoinType.JOIN_LEFT} or join.usingClause or join.isNatural:
            raise NotRoutedError("a join other than JOIN … ON and LEFT JOIN … ON")
        self.add(join.larg)
        before = len(self.aliases)
        self.add(join.rarg)
        inner = join.jointype == JoinType.JOIN_INNER
        self.add_condition(join.quals, None if inner else frozenset(self.aliases[before:]))

    def _name(self, alias: str) -> None:
        """An alias hides those of the same name around the query."""
        if alias in self.aliases:
            raise NotRoutedError(f"two relations are called {alias}")
        self.aliases.append(alias)
        self.pinned -= {column for column in self.pinned if column[0] == alias}

    def add_condition(self, condition: Any, may_pin: frozenset[str] | None = None) -> None:
        """Take in what must hold for every row."""
        match condition:
            case ast.BoolExpr(boolop=BoolExprType.AND_EXPR):
                for part in condition.args:
                    self.add_condition(part, may_pin)
            case ast.A_Expr(kind=A_Expr_Kind.AEXPR_OP) if [name.sval for name in condition.name] == ["="]:
                self.equal.append((condition.lexpr, condition.rexpr, may_pin))

    def settle(self) -> None:
        """Pin all that follows; NotRoutedError if a table is left."""
        found = True
        while found:
            found = False
            for left, right, may_pin in self.equal:
                for this, other in ((left, right), (right, left)):
                    column = self.column(this)
                    allowed = column is not None and (may_pin is None or column[0] in may_pin)
                    if column and allowed and column not in self.pinned and self.is_stream(other):
                        self.pinned.add(column)
                        found = True
        for alias, table in self.tables.items():
            if (alias, DISTRIBUTED[table]) not in self.pinned:
                raise NotRoutedError(f"{table} {alias}: {DISTRIBUTED[table]} is not compared with the stream")

    def column(self, node: Any) -> Column | None:
        """The column that an expression is; one without an alias belongs to the only relation."""
        if not isinstance(node, ast.ColumnRef) or not all(isinstance(part, ast.String) for part in node.fields):
            return None
        parts = [part.sval for part in node.fields]
        if len(parts) == 1 and len(self.aliases) == 1:
            return self.aliases[0], parts[0]
        return (parts[0], parts[1]) if len(parts) == 2 else None

    def is_stream(self, node: Any) -> bool:
        """Whether an expression can be nothing but the stream's id."""
        return (isinstance(node, ast.ParamRef) and node.number == 1) or self.column(node) in self.pinned

    def outputs(self, targets: Iterable[Any]) -> Outputs:
        """The columns of a target list or of RETURNING."""
        return [(each.name or _last_name(each.val), self.is_stream(each.val)) for each in targets]


def _last_name(node: Any) -> str:
    fields = node.fields if isinstance(node, ast.ColumnRef) else ()
    return str(fields[-1].sval) if fields and isinstance(fields[-1], ast.String) else ""


def _outputs_of(query: Any, ctes: Mapping[str, Outputs], outer: frozenset[Column]) -> Outputs:
    """Check a query and those within it; its columns."""
    if not isinstance(query, QUERIES):
        raise NotRoutedError(f"{type(query).__name__} is not SELECT, INSERT, UPDATE or DELETE")
    ctes = dict(ctes)
    for cte in query.withClause.ctes if query.withClause else ():
        part = _recursive(cte, ctes) if query.withClause.recursive else cte.ctequery
        ctes[cte.ctename] = _outputs_of(part, ctes, frozenset())
    level = _Level(ctes, set(outer))
    outputs = _insert(query, level) if isinstance(query, ast.InsertStmt) else _other(query, level)
    for node in _nodes(query):
        _check_node(node, level)
    return outputs


def _recursive(cte: Any, ctes: Mapping[str, Outputs]) -> Any:
    """Check the step of a recursive query, in which its own rows promise nothing; what it begins with."""
    union = cte.ctequery
    if not (isinstance(union, ast.SelectStmt) and union.op == SetOperation.SETOP_UNION and union.all):
        raise NotRoutedError(f"{cte.ctename} is recursive, and not a UNION ALL of a beginning and a step")
    own = [(name, False) for name, _ in _outputs_of(union.larg, ctes, frozenset())]
    _outputs_of(union.rarg, {**ctes, cte.ctename: own}, frozenset())
    return union.larg


def _other(query: Any, level: _Level) -> Outputs:
    if isinstance(query, ast.SelectStmt):
        if query.larg or query.intoClause:
            raise NotRoutedError("a set operation, or SELECT INTO")
        items, targets = query.fromClause or (), query.targetList or ()
    else:
        level.add(query.relation)
        items = (query.fromClause if isinstance(query, ast.UpdateStmt) else query.usingClause) or ()
        targets = query.returningClause.exprs if query.returningClause else ()
    for item in items:
        level.add(item)
    level.add_condition(query.whereClause)
    level.settle()
    if isinstance(query, ast.UpdateStmt):
        _check_kept(query.relation.relname, query.targetList)
    return level.outputs(targets)


def _insert(query: Any, level: _Level) -> Outputs:
    level.add(query.relation)
    if not level.tables:
        raise NotRoutedError(f"{query.relation.relname} is not a table")
    ((alias, table),) = level.tables.items()
    stream_column = DISTRIBUTED[table]
    columns = [column.name for column in query.cols or ()]
    if stream_column not in columns or not _given(query.selectStmt, columns.index(stream_column), level):
        raise NotRoutedError(f"INSERT INTO {table}: {stream_column} is not given the stream")
    if query.onConflictClause:
        _check_conflict(query.onConflictClause, table)
    level.pinned.add((alias, stream_column))
    return level.outputs(query.returningClause.exprs if query.returningClause else ())


def _given(source: Any, position: int, level: _Level) -> bool:
    """Whether all rows to be inserted have the stream at a position."""
    if source.valuesLists:
        return all(level.is_stream(row[position]) for row in source.valuesLists)
    return _outputs_of(source, level.ctes, frozenset())[position][1]


def _check_conflict(clause: Any, table: str) -> None:
    _check_kept(table, clause.targetList or ())
    inferred = [element.name for element in clause.infer.indexElems or ()] if clause.infer else []
    if DISTRIBUTED[table] not in inferred:
        raise NotRoutedError(f"ON CONFLICT of {table} does not name {DISTRIBUTED[table]}")


def _check_kept(table: str, targets: Iterable[Any]) -> None:
    if any(target.name == DISTRIBUTED[table] for target in targets):
        raise NotRoutedError(f"{table}: a row would move to another stream")


def _check_node(node: Any, level: _Level) -> None:
    match node:
        case ast.FuncCall():
            names = [part.sval for part in node.funcname]
            if len(names) != 1 or names[0] not in FUNCTIONS:
                raise NotRoutedError(f"the function {'.'.join(names)} is not one of {sorted(FUNCTIONS)}")
        case ast.SQLValueFunction():
            raise NotRoutedError("the server's clock or session: such things are parameters")
        case ast.SubLink():
            _outputs_of(node.subselect, level.ctes, frozenset(level.pinned))


def _nodes(query: Any) -> Iterator[Any]:
    """Every node of a query, without going into the queries within it."""
    waiting = [getattr(query, name) for name in query]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tuple):
            waiting += node
        elif isinstance(node, ast.Node) and not isinstance(node, QUERIES):
            yield node
            waiting += [getattr(node, name) for name in node]
        elif isinstance(node, ast.SelectStmt) and node.valuesLists:
            waiting += node.valuesLists
