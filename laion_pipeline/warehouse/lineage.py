"""Column lineage, read from SQL: what each column of a query comes from, directly and indirectly.

As in OpenLineage, a column comes *directly* from what its value is computed from, and *indirectly*
from what only decides which rows there are or in which order: filters, joins, groups, sorting,
windows and conditions. Both are sound rather than tight: what is not listed has no influence.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope

_DECIDING_CLAUSES = (
    "where", "group", "having", "qualify", "windows", "order", "joins", "laterals", "distinct",
    "limit",
)  # fmt: skip


@dataclass(frozen=True)
class Lineage:
    """The upstream columns of a column, each as `table.column`."""

    direct: frozenset[str] = frozenset()
    indirect: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        """Every column whose change can change this one."""
        return self.direct | self.indirect

    def __or__(self, other: "Lineage") -> "Lineage":
        return Lineage(self.direct | other.direct, self.indirect | other.indirect)

    def deciding(self) -> "Lineage":
        """The lineage of what is decided by this value, rather than computed from it."""
        return Lineage(indirect=self.all)


Schema = Mapping[str, Mapping[str, str]]


def column_lineage(query: exp.Query, schema: Schema) -> Mapping[str, Lineage]:
    """The lineage of each column of `query`, in order, over the tables of `schema`.

    `schema` gives for each table the names and SQL types of its columns.
    """
    tables: dict[str, object] = {name: dict(columns) for name, columns in schema.items()}
    qualified = qualify(
        query.copy(), schema=tables, dialect="duckdb", quote_identifiers=False, identify=False
    )
    tracer = _Tracer(traverse_scope(qualified))
    return tracer.trace()


def source_tables(query: exp.Query) -> frozenset[str]:
    """The tables and views that a query reads, without those it defines itself."""
    return frozenset(
        source.name
        for scope in traverse_scope(query)
        for source in scope.sources.values()
        if isinstance(source, exp.Table)
    )


class _Tracer:
    """Follows columns through the scopes of one qualified query."""

    def __init__(self, scopes: list[Scope]) -> None:
        self._scopes = scopes
        self._owner = {id(column): scope for scope in scopes for column in scope.columns}
        self._known: dict[tuple[int, str], Lineage] = {}

    def trace(self) -> Mapping[str, Lineage]:
        root = self._scopes[-1]
        everywhere = _union(self._deciding(scope) for scope in self._scopes)
        return {name: self._output(root, name) | everywhere for name in _names(root)}

    def _output(self, scope: Scope, name: str) -> Lineage:
        """What a scope's column of that name comes from."""
        key = (id(scope), name)
        if key not in self._known:
            names = _names(scope)
            # A name that is given outside the query, as by `AS t(a, b)`, may be any of its columns.
            wanted = [names.index(name)] if name in names else range(len(names))
            self._known[key] = _union(
                self._expression(select.selects[position])
                for select in _branches(scope.expression)
                for position in wanted
            )
        return self._known[key]

    def _expression(self, expression: exp.Expr) -> Lineage:
        return _union(
            lineage.deciding() if _only_decides(column, expression) else lineage
            for column in expression.find_all(exp.Column)
            for lineage in [self._column(column)]
        )

    def _column(self, column: exp.Column) -> Lineage:
        scope = self._owner.get(id(column))
        if scope is None:  # an alias of the same select, in its ORDER BY
            return Lineage()
        source = scope.sources.get(column.table)
        if isinstance(source, exp.Table):
            return Lineage(direct=frozenset({f"{source.name}.{column.name}"}))
        if isinstance(source, Scope) and isinstance(source.expression, exp.Values):
            return self._expression(source.expression)
        if isinstance(source, Scope) and _names(source):
            return self._output(source, column.name)
        return self._anything()  # such as a lateral subquery's, which is not resolved

    def _anything(self) -> Lineage:
        return Lineage(
            frozenset(
                f"{source.name}.{column.name}"
                for scope in self._scopes
                for column in scope.columns
                if isinstance(source := scope.sources.get(column.table), exp.Table)
            )
        )

    def _deciding(self, scope: Scope) -> Lineage:
        """What decides which rows a scope has, or in which order."""
        query = scope.expression
        nodes = [node for clause in _DECIDING_CLAUSES for node in _listed(query.args.get(clause))]
        if _rows_depend_on_outputs(query):
            nodes += [output for select in _branches(query) for output in select.selects]
        # Taken apart into rows, a list decides how many there are.
        nodes += [list_ for list_ in query.find_all(exp.UDTF) if list_.parent_select is query]
        return _union(
            self._column(column).deciding()
            for node in nodes
            for column in node.find_all(exp.Column)
        )


def _listed(clause: object) -> list[exp.Expr]:
    nodes = clause if isinstance(clause, list) else [clause]
    return [node for node in nodes if isinstance(node, exp.Expr)]


def _rows_depend_on_outputs(query: exp.Expr) -> bool:
    """Whether what a query selects also decides which rows it has, or in which order."""
    if isinstance(query, exp.SetOperation):
        return bool(query.args.get("distinct")) or not isinstance(query, exp.Union)
    group, order = query.args.get("group"), query.args.get("order")
    return (
        query.args.get("distinct") is not None
        or (group is not None and bool(group.args.get("all")))
        # By position, by alias or by everything.
        or (order is not None and any(not item.find(exp.Column) for item in order.expressions))
        or (order is not None and any(not c.table for c in order.find_all(exp.Column)))
    )


def _names(scope: Scope) -> list[str]:
    query = scope.expression.unnest()
    return query.named_selects if isinstance(query, exp.Query) else []


def _branches(query: exp.Expr) -> Iterator[exp.Select]:
    if isinstance(query, exp.SetOperation):
        yield from _branches(query.left)
        yield from _branches(query.right)
    elif isinstance(query, exp.Subquery):
        yield from _branches(query.this)
    elif isinstance(query, exp.Select):
        yield query


def _only_decides(column: exp.Column, within: exp.Expr) -> bool:
    """Whether a column stands where a window is laid or a condition is tested."""
    node: exp.Expr = column
    while node is not within and node.parent is not None:
        parent = node.parent
        if isinstance(parent, exp.Window) and node is not parent.this:
            return True
        if isinstance(parent, exp.If | exp.Case) and node is parent.this:
            return True
        node = parent
    return False


def _union(lineages: Iterable[Lineage]) -> Lineage:
    union = Lineage()
    for lineage in lineages:
        union |= lineage
    return union
