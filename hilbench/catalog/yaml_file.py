"""Reads a YAML file into plain values, remembering where every key and value stands, and reports mistakes in it.

Only what YAML 1.1 and 1.2 agree on is accepted: a plain `no` (false or a word?), `010` (8 or 10?) or `1:30` (90 or a
text?) is a mistake that asks for quotes. Anchors, aliases and merge keys work; tags, duplicate keys and keys that are
not text do not. Lists become tuples. What the values mean is not this module's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yaml.composer import Composer
from yaml.error import MarkedYAMLError
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from hilbench.errors import CatalogError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 24
MAX_NODES = 20_000
"""Catalog files are small; these bound what a hostile one can cost, above all through aliases of aliases."""

_MAX_DIGITS = 40
_EXCERPT_CHARS = 100
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # those that PyYAML counts
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)|0x[0-9a-fA-F_]+")
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_AMBIGUOUS = (
    (re.compile(r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF"), "true or false to some YAML readers, a word to others"),
    (re.compile(r"[-+]?0[0-9_]+"), "octal to some YAML readers, decimal to others"),
    (re.compile(r"[-+]?0[ob][0-9_]+"), "a number to some YAML readers, a word to others"),
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"), "hours and minutes to some YAML readers, a word to others"),
)
_SYNTAX_HINTS = (
    ("'\\t'", "indent with spaces; a tab is not allowed there"),
    ("mapping values are not allowed", "a text with ': ' in it needs quotes; or a line above is indented wrongly"),
    ("could not find expected ':'", "every line of a mapping is 'key: value'"),
    ("expected <block end>", "keys of one mapping start in the same column"),
    ("undefined alias", "an anchor '&name' has to stand before its alias '*name'"),
    ("cannot start any token", "a text that starts with this character needs quotes"),
    ("expected a single document", "one file holds one document: drop the '---'"),
)

Loc = tuple[str | int, ...]


@dataclass(frozen=True)
class Span:
    """A place in a file: line from 1, column from 0; a width of 0 means the line as a whole is not worth showing."""

    line: int
    column: int = 0
    width: int = 0


@dataclass(frozen=True)
class Mistake:
    """One thing wrong in a file. `loc` is the path of keys and indices to the value it is about."""

    what: str
    hint: str = ""
    span: Span | None = None
    loc: Loc = ()


@dataclass
class Document:
    """A YAML file as plain values, with the place of each key (`keys`) and value (`values`) by its path, and its mistakes."""

    path: Path
    lines: list[str]
    value: Any = None
    text: dict[Loc, str] = field(default_factory=dict)
    keys: dict[Loc, Span] = field(default_factory=dict)
    values: dict[Loc, Span] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def error(self, mistakes: Iterable[Mistake]) -> CatalogError:
        """Return one error that tells all `mistakes`, in the order of their lines."""
        unique = dict.fromkeys(mistakes)
        ordered = sorted(unique, key=lambda one: (one.span.line, one.span.column) if one.span else (0, 0))
        return CatalogError("\n".join(self._told(mistake) for mistake in ordered))

    def _told(self, mistake: Mistake) -> str:
        name, span = shown(self.path), mistake.span
        lines = [f"{name}:{span.line}: {mistake.what}" if span else f"{name}: {mistake.what}"]
        if span and span.width and span.line <= len(self.lines):
            lines += _excerpt(self.lines[span.line - 1], span)
        if mistake.hint:
            lines.append(f"  hint: {mistake.hint}")
        return "\n".join(lines)


def shown(path: Path) -> str:
    """Return `path` as a message shows it: relative when it is below the working directory."""
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else path)


def _excerpt(line: str, span: Span) -> list[str]:
    start = max(0, span.column - _EXCERPT_CHARS // 2) if len(line) > _EXCERPT_CHARS else 0
    part = "".join(char if char.isprintable() else " " for char in line[start : start + _EXCERPT_CHARS])
    number = str(span.line)
    column = span.column - start
    marks = "^" * max(1, min(span.width, len(part) - column))
    return [f"  {number} | {part}", f"  {' ' * len(number)} | {' ' * column}{marks}"]


def read(path: Path) -> Document:
    """Return the document in `path`, its `mistakes` listed in it.

    Raises `CatalogError` when there is no document to speak of: the file is missing, unreadable, not text, empty, or not YAML.
    """
    text = _text(path)
    document = Document(path, _LINE_BREAK.split(text))
    try:
        root = _Loader(text).get_single_node()
    except MarkedYAMLError as error:
        raise document.error([_syntax_mistake(error)]) from error
    except ReaderError as error:
        line = len(_LINE_BREAK.split(text[: error.position]))
        what = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise document.error([Mistake(what, "is this a text file?", Span(line))]) from error
    except (ValueError, OverflowError) as error:  # PyYAML 6.0.3: an escape such as "\UFFFFFFFF"
        raise document.error([Mistake(f"not valid YAML: {error}")]) from error
    if root is None:
        raise CatalogError("the file is empty", where=shown(path))
    builder = _Builder(document)
    document.value = builder.build(root, ())
    return document


def _text(path: Path) -> str:
    where = shown(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise CatalogError("there is no such file", where=where) from None
    except IsADirectoryError:
        raise CatalogError("this is a folder, not a file", where=where) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CatalogError(f"the file cannot be read: {reason}", where=where) from error
    if len(data) > MAX_BYTES:
        raise CatalogError(f"the file is larger than {MAX_BYTES // 1024} KiB: not a catalog file", where=where)
    if b"\0" in data:
        raise CatalogError("this is a binary file, not YAML", where=where)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise CatalogError(what, where=f"{where}:{line}", hint="save the file as UTF-8") from None


def _syntax_mistake(error: MarkedYAMLError) -> Mistake:
    problem = str(error.problem or error.context or "cannot be read")
    mark = error.problem_mark or error.context_mark
    span = Span(mark.line + 1, mark.column, 1) if mark else None
    hint = next((hint for sign, hint in _SYNTAX_HINTS if sign in problem), "")
    return Mistake(f"not valid YAML: {problem}", hint, span)


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML's parser alone: nothing is constructed. A node without a tag of its own gets one of the four words below."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._depth = 0

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:
        if kind is not ScalarNode:
            return "collection"
        return "plain" if implicit[0] else "quoted"

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            mark = self.peek_event().start_mark
            raise MarkedYAMLError(problem=f"nested more than {MAX_DEPTH} deep", problem_mark=mark)
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Builder:
    """Turns nodes into plain values and fills a document's places and mistakes while doing so."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._nodes = 0

    def build(self, node: Node, loc: Loc) -> Any:
        self._count(node)
        if len(loc) > MAX_DEPTH:
            self._stop(node, "an alias contains itself")
        self._document.values[loc] = _span(node)
        if node.tag not in ("plain", "quoted", "collection"):
            self._mistake(f"the tag '{_tag_name(node.tag)}' is not allowed", node, loc, "plain YAML needs no tags: drop it")
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, SequenceNode):
            return tuple(self.build(item, (*loc, index)) for index, item in enumerate(node.value))
        return self._scalar(node, loc)

    def _mapping(self, node: MappingNode, loc: Loc) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node, merged in self._pairs(node, loc, 0):
            key = self._key(key_node, loc)
            if key is None or (merged and key in result):
                continue
            span = _span(key_node)
            if key in result:
                first = self._document.keys[(*loc, key)].line
                self._mistake(f"the key {key!r} stands here twice (first in line {first})", key_node, loc)
                continue
            self._document.keys[(*loc, key)] = span
            result[key] = self.build(value_node, (*loc, key))
        return result

    def _pairs(self, node: MappingNode, loc: Loc, depth: int) -> Iterator[tuple[Node, Node, bool]]:
        """Yield the mapping's own keys and values, then those that its merge keys (`<<`) bring in."""
        if depth > MAX_DEPTH:
            self._stop(node, "an alias contains itself")
        merges = []
        for key_node, value_node in node.value:
            if key_node.tag == "plain" and key_node.value == "<<":
                merges += value_node.value if isinstance(value_node, SequenceNode) else [value_node]
            else:
                yield key_node, value_node, depth > 0
        for source in merges:
            self._count(source)
            if isinstance(source, MappingNode):
                for key_node, value_node, _ in self._pairs(source, loc, depth + 1):
                    yield key_node, value_node, True
            else:
                self._mistake("'<<' takes a mapping, or a list of mappings", source, loc)

    def _key(self, node: Node, loc: Loc) -> str | None:
        if not isinstance(node, ScalarNode) or node.tag not in ("plain", "quoted"):
            self._mistake("a key has to be one word", node, loc)
            return None
        key = self._scalar(node, loc)
        if not isinstance(key, str):
            if not any(mistake.span == _span(node) for mistake in self._document.mistakes):
                self._mistake(f"the key {node.value} is not text", node, loc, "put it in quotes")
            return None
        return key

    def _scalar(self, node: ScalarNode, loc: Loc) -> Any:
        text: str = node.value
        self._document.text[loc] = text
        if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
            self._mistake("half of a surrogate pair is not a character", node, loc, "write the character itself")
            return None
        if node.tag == "quoted":
            return text
        for pattern, meaning in _AMBIGUOUS:
            if pattern.fullmatch(text):
                self._mistake(f"'{text}' is {meaning}", node, loc, f"put a word in quotes: \"{text}\"{_plainly(text)}")
                return None
        if len(text) > _MAX_DIGITS:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text, 16 if text.startswith("0x") else 10) if not text.endswith("_") else text
        if _FLOAT.fullmatch(text):
            return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
        return text

    def _mistake(self, what: str, node: Node, loc: Loc, hint: str = "") -> None:
        name = dotted(loc)
        self._document.mistakes.append(Mistake(f"{name}: {what}" if name else what, hint, _span(node), loc))

    def _count(self, node: Node) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._stop(node, f"more than {MAX_NODES} values (aliases counted each time)")

    def _stop(self, node: Node, what: str) -> None:
        raise self._document.error([Mistake(what, span=_span(node))])


def dotted(loc: Loc) -> str:
    """Return a path of keys and indices as people write it: `tasks[0].model.sha256`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return "".join(char if char.isprintable() else "?" for char in text)


def _plainly(text: str) -> str:
    if text[0].lower() in "yno":
        return f"; or write {'true' if text.lower() in ('yes', 'on') else 'false'}"
    digits = text.lstrip("+-0").replace("_", "")
    return f"; or write the number as {digits}" if digits.isdecimal() else ""


def _tag_name(tag: str) -> str:
    name = tag.replace("tag:yaml.org,2002:", "!!")
    return "".join(char if char.isprintable() else "?" for char in name)


def _span(node: Node) -> Span:
    start, end = node.start_mark, node.end_mark
    one_line = start.line == end.line and not (isinstance(node, CollectionNode) and not node.flow_style)
    return Span(start.line + 1, start.column, max(1, end.column - start.column) if one_line else 1)
