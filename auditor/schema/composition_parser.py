"""The composition language: text -> tree.

Grammar (whitespace is free)::

    expr   := name | block | kind ":" count
    block  := kind "(" expr ("," expr)* (";" item ("," item)*)* ")"
    item   := number | option "=" (name | number | "true" | "false") | name
    kind   := parallel | batchsplit | average | stack | split | fuse | multitask  (of adapters)
            | mixed | active | weighted                                           (of peft)
    name   := [A-Za-z0-9_.+-]+ | '"' any characters '"'

Numbers belong to `batchsplit` and `mixed` (rows per child), `split` (tokens per child), `average` and
`weighted` (weights, also negative ones); options to `fuse` (`name`, `config` of the fusion layers), `average`
(`normalize_weights`) and `weighted` (those of `add_weighted_adapter`; a lone name is its combination type).
In `mixed`, `__base__` stands for rows without an adapter.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TypeAlias

from ..errors import UsageError
from .composition import (
    BASE,
    KINDS,
    MAX_COUNT,
    MAX_DEPTH,
    NAME,
    NUMBERED,
    OPTIONS,
    SIGNED,
    UNNAMED,
    Block,
    Node,
    Value,
    as_block,
    default_names,
)

_NUMBER = re.compile(r"(-)?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_OPTION = re.compile(r"([A-Za-z_]+)\s*=\s*")
BlockOptions: TypeAlias = "tuple[tuple[str, Value], ...]"


class ComposeError(UsageError):
    """A composition expression that cannot be read; points at the offending character."""

    def __init__(self, text: str, position: int, why: str, do: str = "") -> None:
        self.text, self.position = text, position
        shown = text if len(text) <= 60 else text[:57] + "..."
        super().__init__(f"cannot read the composition {shown!r} at character {position + 1}", why=why, do=do)

    @property
    def pointer(self) -> str:
        """The expression with a caret under the offending character (two lines)."""
        return f"  {self.text}\n  {' ' * self.position}^"


def parse(text: str) -> Block:
    """Read an expression; raises ComposeError that points at the character."""
    return as_block(_Parser(text).parse())


class _Parser:
    """Recursive descent over the text; `at` is the current character."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def parse(self) -> Node:
        node = self.expression(0)
        self.space()
        if self.at < len(self.text):
            raise self.error(f"unexpected {self.text[self.at]!r} after the end of the expression")
        return node

    def error(self, why: str, do: str = "", at: int | None = None) -> ComposeError:
        return ComposeError(self.text, self.at if at is None else at, why, do)

    def space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def peek(self) -> str:
        self.space()
        return self.text[self.at : self.at + 1]

    def expression(self, depth: int, inside: str = "") -> Node:
        if depth > MAX_DEPTH:
            raise self.error(f"nested deeper than {MAX_DEPTH} blocks")
        is_quoted = self.peek() == '"'
        start = self.at
        name = self.quoted() if is_quoted else self.name()
        if name == BASE and inside != "mixed":
            raise self.error(f"{BASE} is no adapter", do="it stands for rows without one, in mixed", at=start)
        if is_quoted:
            return name
        following = self.peek()
        if following == "(":
            return self.block(self.kind(name, start), depth)
        if following == ":":
            return self.counted(self.kind(name, start))
        return name

    def name(self) -> str:
        match = NAME.match(self.text, self.at)
        if match is None:
            found = self.text[self.at : self.at + 1]
            raise self.error(
                f"expected an adapter name or a block, found {found!r}"
                if found
                else "the expression ends too early",
                do="write for example parallel(a,b) or parallel:5",
            )
        self.at = match.end()
        return match.group()

    def quoted(self) -> str:
        start, out = self.at, []
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\\" and self.at + 1 < len(self.text):
                out.append(self.text[self.at + 1])
                self.at += 2
                continue
            self.at += 1
            if char == '"':
                if not out:
                    raise self.error("an adapter name cannot be empty", at=start)
                return "".join(out)
            out.append(char)
        raise self.error("the quoted name is not closed", at=start)

    def kind(self, name: str, at: int) -> str:
        kind = name.lower().replace("_", "").replace("-", "")
        if kind in KINDS:
            return kind
        near = get_close_matches(kind, KINDS, 1)
        raise self.error(
            f"{name!r} is not a block",
            do=f"did you mean {near[0]!r}?" if near else f"known blocks: {', '.join(KINDS)}",
            at=at,
        )

    def counted(self, kind: str) -> Block:
        self.at += 1
        self.space()
        start = self.at
        match = re.compile(r"[0-9]+").match(self.text, self.at)
        if match is None:
            raise self.error("expected a number of adapters", do=f"write for example {kind}:5")
        self.at = match.end()
        count = int(match.group()) if len(match.group()) < 10 else MAX_COUNT + 1
        if count < 2 or count > MAX_COUNT:
            raise self.error(
                f"{kind} takes 2 to {MAX_COUNT} adapters, got {match.group()}",
                do="for a single adapter write its name, for example --compose a",
                at=start,
            )
        return Block(kind, default_names(count))

    def block(self, kind: str, depth: int) -> Block:
        self.at += 1
        if self.peek() == ")":
            raise self.error(f"{kind} has no adapters", do=f"write for example {kind}(a,b)")
        children = [self.expression(depth + 1, kind)]
        while self.peek() == ",":
            self.at += 1
            self.space()
            children.append(self.expression(depth + 1, kind))
        numbers, options = self.items(kind, len(children))
        if self.peek() != ")":
            raise self.error(
                "expected ',' or ')'" if self.peek() else "the block is not closed, expected ')'"
            )
        self.at += 1
        return Block(kind, tuple(children), numbers, options)

    def items(self, kind: str, children: int) -> tuple[tuple[float, ...] | None, BlockOptions]:
        """What stands behind the children: numbers, options, or both."""
        start = self.at
        numbers: list[float] = []
        options: dict[str, Value] = {}
        while self.peek() in (";", ",") and self.peek():
            self.at += 1
            self.space()
            named = _OPTION.match(self.text, self.at)
            if named is not None:
                name = self.option_name(kind, named)
                options[name] = self.option_value(kind, name)
            elif kind in UNNAMED and self.peek().isalpha():
                options[UNNAMED[kind]] = self.name()
            else:
                numbers.append(self.number(kind))
        if numbers and len(numbers) != children:
            raise self.error(f"{children} children but {len(numbers)} {NUMBERED[kind]}", at=start)
        return tuple(numbers) or None, tuple(sorted(options.items()))

    def number(self, kind: str) -> float:
        if kind not in NUMBERED:
            raise self.error(f"{kind} takes no numbers", do=f"only {', '.join(NUMBERED)} do")
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            raise self.error("expected a number")
        if kind not in SIGNED and (match.group(1) or match.group(2)):
            raise self.error(f"{NUMBERED[kind]} are whole numbers of at least 0")
        self.at = match.end()
        return float(match.group())

    def option_name(self, kind: str, named: re.Match[str]) -> str:
        known = OPTIONS.get(kind, {})
        name = named.group(1)
        if name not in known:
            others = f"known: {', '.join(known)}" if known else f"only {', '.join(OPTIONS)} take options"
            raise self.error(f"{kind} has no option {name!r}", do=others)
        self.at = named.end()
        return name

    def option_value(self, kind: str, name: str) -> Value:
        self.space()
        if OPTIONS[kind][name] is str:
            return self.quoted() if self.peek() == '"' else self.name()
        if OPTIONS[kind][name] is float:
            match = _NUMBER.match(self.text, self.at)
            if match is None:
                raise self.error(f"{name} is a number")
            self.at = match.end()
            return float(match.group())
        start, text = self.at, self.name().lower()
        if text not in ("true", "false"):
            raise self.error(f"{name} is true or false", at=start)
        return text == "true"
