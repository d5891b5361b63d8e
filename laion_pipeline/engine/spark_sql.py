"""DuckDB's SQL, written for Apache Spark so that it says the same there.

sqlglot knows both dialects. Here is what it leaves as it is: functions that have another name or
meaning in Spark, sums that outgrow 64 bits, and what regular expressions spell differently.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import sqlglot
from sqlglot import ErrorLevel, exp

_SPARK_FUNCTIONS = {
    "hash": "xxhash64",  # Spark's own `hash` has 32 bits, and others come again sooner
    "now": "current_timestamp",
    "strlen": "octet_length",
}


def spark_sql(sql: str) -> str:
    """A query of DuckDB's as one of Spark's, in ANSI mode.

    Raises sqlglot.errors.SqlglotError where it is no query of DuckDB's, or says what Spark cannot.
    """
    return _written(sqlglot.parse_one(sql, dialect="duckdb"))


@dataclass(frozen=True)
class Part:
    """A query that another names and reads; `kept` where DuckDB would find it once, and keep it."""

    name: str
    sql: str
    kept: bool


def parts_of(sql: str) -> tuple[Sequence[Part], str]:
    """What a query of DuckDB's reads by names that it gives itself, in order, and what is left.

    All as Spark's SQL. Spark itself would put a named query wherever its name stands, and compute
    it there anew. Raises what `spark_sql` raises.
    """
    query = sqlglot.parse_one(sql, dialect="duckdb")
    named = query.args.get("with_")
    if named is None or named.recursive:
        return (), _written(query)
    read = Counter(table.name for table in query.find_all(exp.Table))
    parts = []
    for part in named.expressions:
        said = part.args.get("materialized")
        kept = read[part.alias] > 1 if said is None else said
        whole = exp.Subquery(this=part.this, alias=part.args["alias"])
        parts.append(Part(part.alias, _written(exp.select("*").from_(whole)), kept))
    query.set("with_", None)
    return parts, _written(query)


def _written(query: exp.Expr) -> str:
    for node in reversed(list(query.walk())):  # what is inside first
        if rewrite := _REWRITES.get(type(node)):
            node.replace(rewrite(node.copy()))
    return query.sql(dialect="spark", comments=False, unsupported_level=ErrorLevel.RAISE)


def _type(node: exp.Expr) -> exp.Expr:
    wide = {exp.DType.INT128: "DECIMAL(38, 0)", exp.DType.UBIGINT: "DECIMAL(20, 0)"}
    return exp.DataType.build(wide[node.this]) if node.this in wide else node


def _sum(node: exp.Expr) -> exp.Expr:
    """DuckDB adds whole numbers up in 128 bits, Spark in 64: too few for scaled fractions."""
    cast = node.this
    if isinstance(cast, exp.Cast) and cast.is_type("bigint"):
        return exp.Sum(this=exp.cast(cast.copy(), "DECIMAL(38, 0)"))
    return node


def _cast(node: exp.Expr) -> exp.Expr:
    """Of a number in hexadecimal digits, which Spark does not cast."""
    text = node.this
    if isinstance(text, exp.DPipe) and text.this.name == "0x":
        conv = exp.Anonymous(this="conv", expressions=[text.expression, *map(_number, (16, 10))])
        return exp.cast(conv, node.args["to"])
    return node


def _grouping(node: exp.Expr) -> exp.Expr:
    """Spark's takes one column: of several, the first is worth most, as in DuckDB."""
    bits: list[exp.Expr] = [
        exp.Mul(this=exp.Grouping(expressions=[column]), expression=_number(1 << place))
        for place, column in enumerate(reversed(node.expressions))
    ]
    return exp.paren(reduce(_plus, bits)) if len(bits) > 1 else node


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def _plus(one: exp.Expr, other: exp.Expr) -> exp.Expr:
    return exp.Add(this=one, expression=other)


def _function(node: exp.Expr) -> exp.Expr:
    name = node.name.lower()
    if name == "to_json":  # of a text alone Spark does not know how; of a list of it, it does
        return exp.Anonymous(this=name, expressions=[exp.Array(expressions=node.expressions)])
    return exp.Anonymous(this=_SPARK_FUNCTIONS.get(name, name), expressions=node.expressions)


def _full_match(node: exp.Expr) -> exp.Expr:
    pattern = exp.Literal.string(rf"\A(?:{node.expression.name})\z")
    return exp.RegexpLike(this=node.this, expression=pattern)


def _named_query(node: exp.Expr) -> exp.Expr:
    """Spark has no word for whether it is to be kept."""
    node.set("materialized", None)
    return node


def _character(node: exp.Expr) -> exp.Expr:
    """Spark's `chr` stops at 255."""
    return exp.Literal.string(chr(int(node.expressions[0].name)))


def _small_letters(node: exp.Expr) -> exp.Expr:
    """DuckDB's are of each character alone; Java looks around a sigma, and makes two of İ."""
    alike = [node.this, exp.Literal.string("Σİ"), exp.Literal.string("σi")]
    return exp.Lower(this=exp.Anonymous(this="translate", expressions=alike))


def _floor(node: exp.Expr) -> exp.Expr:
    """Spark's is a whole number: of what has none there is none, rather than an error."""
    value = node.this
    has_one = exp.LT(this=exp.Abs(this=value.copy()), expression=exp.Literal.number("9e18"))
    return exp.Floor(this=exp.Case(ifs=[exp.If(this=has_one, true=value)]))


def _text(node: exp.Expr) -> exp.Expr:
    """DuckDB's regular expressions are RE2's, Spark's are Java's."""
    if not node.is_string:
        return node
    return exp.Literal.string(node.name.replace(r"\p{Latin}", r"\p{IsLatin}"))


_REWRITES: Mapping[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {
    exp.Anonymous: _function,
    exp.CTE: _named_query,
    exp.Cast: _cast,
    exp.Chr: _character,
    exp.DataType: _type,
    exp.Floor: _floor,
    exp.Grouping: _grouping,
    exp.Literal: _text,
    exp.Lower: _small_letters,
    exp.RegexpFullMatch: _full_match,
    exp.Sum: _sum,
}
