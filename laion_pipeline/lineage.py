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

_DECIDING_CLAUSES = ("where", "group", "having", "qualify", "order", "joins", "distinct", "limit")


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
            position = _names(scope).index(name)
            self._known[key] = _union(
                self._expression(select.selects[position]) for select in _branches(scope.expression)
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
        if isinstance(source, Scope):
            return self._output(source, column.name)
        return Lineage()

    def _deciding(self, scope: Scope) -> Lineage:
        clauses = [scope.expression.args.get(name) for name in _DECIDING_CLAUSES]
        return _union(
            self._column(column).deciding()
            for clause in clauses
            for node in (clause if isinstance(clause, list) else [clause])
            if isinstance(node, exp.Expr)
            for column in node.find_all(exp.Column)
        )


def _names(scope: Scope) -> list[str]:
    query = scope.expression
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
        if isinstance(parent, exp.If) and node is parent.this:
            return True
        if isinstance(parent, exp.Case) and node is parent.this:
            return True
        node = parent
    return False


def _union(lineages: Iterable[Lineage]) -> Lineage:
    union = Lineage()
    for lineage in lineages:
        union |= lineage
    return union
