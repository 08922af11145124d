"""The grammar of expressions: Python's, of which a few nodes are allowed.

``&``, ``|`` and ``~`` are ``and``, ``or`` and ``not``, and bind as loosely, so
``tot > 20 & trig > 0`` says what it seems to say.  Bits are looked at with
``bits(trig, 2)``.  A text stands only beside ``==``, ``!=`` and in the list of
``in``: ``label == 'numu'``.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator

from km3gpu import definitions
from km3gpu.errors import ConfigError, closest

__all__ = ["CONSTANTS", "FUNCTIONS", "REDUCTIONS", "parse"]

FUNCTIONS = {
    "abs": 1,
    "arccos": 1,
    "arcsin": 1,
    "arctan2": 2,
    "bits": 2,
    "ceil": 1,
    "cos": 1,
    "exp": 1,
    "floor": 1,
    "hypot": 2,
    "isfinite": 1,
    "isnan": 1,
    "log": 1,
    "log10": 1,
    "round": 1,
    "sin": 1,
    "sqrt": 1,
    "tan": 1,
    "where": 3,
}
"""Functions of values, and how many arguments each takes."""

REDUCTIONS = ("all", "any", "count", "first", "max", "mean", "min", "sum")
"""Functions that make one value per event of the rows of an event."""

CONSTANTS: dict[str, float] = {
    "pi": 3.141592653589793,
    **{name: int(p) for name, p in definitions.FitParameter.__members__.items()},
}

_WORDS = {"&": "and", "|": "or", "~": "not"}
_NODES = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow,
    ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn,
    ast.Call, ast.Name, ast.Attribute, ast.Constant, ast.Subscript, ast.List, ast.Tuple, ast.Load,
)  # fmt: skip
_LONGEST = 2000  # characters; Python's own parser gives up on deep nests


def parse(text: str) -> ast.expr:
    """Parse an expression and check that it is made of what is allowed.

    Raises
    ------
    ConfigError
        It is none, or uses something else; the message says what.
    """
    if not isinstance(text, str):
        raise ConfigError(f"{text!r} is no text", remedy="write an expression in quotes, 'tot > 20'")
    if not text.strip():
        raise ConfigError("an empty expression", remedy="write for example 'tot > 20'")
    if len(text) > _LONGEST:
        raise ConfigError(f"an expression of {len(text)} characters", remedy="split it into several stages")
    try:
        tree = ast.parse("(" + _worded(text) + "\n)", mode="eval")
    except (SyntaxError, ValueError, tokenize.TokenError, MemoryError, RecursionError) as error:
        what = "brackets do not match" if text.count("(") != text.count(")") else _reason(text, error)
        raise ConfigError(f"no valid expression: {what}", remedy="write for example 'tot > 20'") from None
    texts = {id(t) for node in ast.walk(tree) if isinstance(node, ast.Compare) for t in _texts(node)}
    for node in ast.walk(tree):
        if id(node) not in texts:
            _check(node)
    return tree.body


def _texts(node: ast.Compare) -> Iterator[ast.expr]:
    """Give the texts that stand where one may."""
    left = node.left
    for op, right in zip(node.ops, node.comparators, strict=True):
        among = right.elts if isinstance(right, ast.List | ast.Tuple) else []
        beside = [left, right] if isinstance(op, ast.Eq | ast.NotEq) else []
        for one in among if isinstance(op, ast.In | ast.NotIn) else beside:
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield one
        left = right


def _reason(text: str, error: BaseException) -> str:
    """Say what is wrong in the words of expressions, for what people write that know other languages."""
    bare = text.replace("==", "").replace("!=", "").replace("<=", "").replace(">=", "")
    for odd, right in (("&&", "'&' or 'and'"), ("||", "'|' or 'or'"), ("!", "'~' or 'not'"), ("=", "'=='")):
        if odd in bare:
            return f"write {right} for {odd!r}"
    return str(getattr(error, "msg", None) or error.args[0])


def _worded(text: str) -> str:
    return tokenize.untokenize(_tokens(text))


def _tokens(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO("(" + text + "\n)").readline):
        if token.type == tokenize.OP and token.string in _WORDS:
            yield tokenize.NAME, _WORDS[token.string]
        elif token.type not in (tokenize.NEWLINE, tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER):
            yield token.type, token.string


def _check(node: ast.AST) -> None:
    if not isinstance(node, _NODES):
        hint = {"BitXor": "write a != b for conditions", "LShift": "write bits(a, mask)"}
        hint |= {"RShift": hint["LShift"], "IfExp": "write where(condition, a, b)"}
        name = type(node).__name__
        raise ConfigError(
            f"{name} is no part of an expression", remedy=hint.get(name, "use + - * / and names")
        )
    if isinstance(node, ast.Constant) and type(node.value) not in (int, float, bool):
        remedy = "texts are compared by == and !=" if isinstance(node.value, str) else "write a number"
        raise ConfigError(f"{node.value!r} is no number", remedy=remedy)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not abs(node.value) < 2**64:
        raise ConfigError(f"{ast.unparse(node)} is too large a number", remedy="numbers have 64 bits")
    if isinstance(node, ast.Attribute) and not isinstance(node.value, ast.Name):
        raise ConfigError(f"{ast.unparse(node)!r} is no column", remedy="write table.column")
    if isinstance(node, ast.Subscript) and _place(node.slice) is None:
        raise ConfigError(
            f"{ast.unparse(node)!r} does not name one item", remedy="write a whole number, fitinf[3]"
        )
    if isinstance(node, ast.Call):
        _check_call(node)


def _place(node: ast.expr) -> int | None:
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(node, ast.Name):
        value = CONSTANTS.get(node.id)
    return value if type(value) is int and value >= 0 else None


def _check_call(node: ast.Call) -> None:
    if not isinstance(node.func, ast.Name):
        raise ConfigError(f"{ast.unparse(node.func)!r} is no function", remedy="methods are not called")
    name, n = node.func.id, len(node.args)
    known = {**FUNCTIONS, **dict.fromkeys(REDUCTIONS, 1)}
    if name not in known:
        names = closest(name, known)
        raise ConfigError(f"no function {name!r}", remedy=f"there is: {', '.join(names)}")
    if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
        raise ConfigError(f"{name}() takes values only", remedy="leave the names of arguments away")
    two = name in ("min", "max") and n == 2
    if n != known[name] and not two:
        raise ConfigError(f"{name}() takes {known[name]}, not {n}", remedy=f"see {ast.unparse(node)!r}")
