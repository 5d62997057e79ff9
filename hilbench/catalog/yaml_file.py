"""Reads a YAML file into plain values, remembering where every key and value stands.

Only what YAML 1.1 and 1.2 agree on is accepted: a plain `no` (false or a word?), `010` (8 or 10?) or `1:30` (90 or a
text?) is a mistake that asks for quotes. Anchors, aliases and merge keys work; tags, duplicate keys and keys that are
not text do not. Lists become tuples. What the values mean is not this module's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yaml.composer import Composer
from yaml.error import MarkedYAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from hilbench.catalog.document import Document, Loc, Mistake, Span, dotted, shown
from hilbench.errors import CatalogError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 24
MAX_NODES = 20_000
"""Catalog files are small; these bound what a hostile one can cost, above all through aliases of aliases."""

_MAX_DIGITS = 40
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # those that PyYAML counts
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)")
_HEX = re.compile(r"0x[0-9a-fA-F]+(_[0-9a-fA-F]+)*")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_AMBIGUOUS = (
    (re.compile("yes|Yes|YES|on|On|ON"), "true to some YAML readers, a word to others", "or write true"),
    (re.compile("no|No|NO|off|Off|OFF"), "false to some YAML readers, a word to others", "or write false"),
    (re.compile(r"[-+]?0[0-9_]+"), "octal to some YAML readers, decimal to others", "or drop the leading 0"),
    (
        re.compile(r"[-+]?0[ob][0-9_]+"),
        "a number to some YAML readers, a word to others",
        "or write a number without prefix",
    ),
    (
        re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+"),
        "hours and minutes to some YAML readers, a word to others",
        "or write a number",
    ),
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


def read(path: Path) -> Document:
    """Return the document in `path`, its `mistakes` listed in it.

    Raises `CatalogError` when there is no document to speak of: the file is missing, unreadable, not text, empty, or
    not YAML.
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
    """PyYAML's parser alone: nothing is constructed. A node without a tag of its own gets one of three words."""

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
            mark = self.get_mark()
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
            self._mistake(
                f"the tag '{_tag_name(node.tag)}' is not allowed", node, loc, "plain YAML needs no tags: drop it"
            )
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, SequenceNode):
            return tuple(self.build(item, (*loc, index)) for index, item in enumerate(node.value))
        if isinstance(node, ScalarNode):
            self._document.text[loc] = node.value
            return self._value(node, loc)
        raise TypeError(f"PyYAML made a {type(node).__name__}")

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
        merges: list[Node] = []
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
            self._mistake("a key has to be one word", node, (*loc, "", "[key]"))
            return None
        at = (*loc, node.value, "[key]")
        before = len(self._document.mistakes)
        key = self._value(node, at)
        if isinstance(key, str):
            return key
        if len(self._document.mistakes) == before:
            self._mistake(f"the key '{node.value}' is not text", node, at, "put it in quotes")
        return None

    def _value(self, node: ScalarNode, loc: Loc) -> Any:
        text: str = node.value
        if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
            self._mistake("half of a surrogate pair is not a character", node, loc, "write the character itself")
            return None
        if node.tag == "quoted":
            return text
        for pattern, meaning, remedy in _AMBIGUOUS:
            if pattern.fullmatch(text):
                self._mistake(f"'{text}' is {meaning}", node, loc, f'put it in quotes, "{text}", {remedy}')
                return None
        return _plain(text)

    def _mistake(self, what: str, node: Node, loc: Loc, hint: str = "") -> None:
        name = dotted(loc[:-2] if loc[-1:] == ("[key]",) else loc)
        self._document.mistakes.append(Mistake(f"{name}: {what}" if name else what, hint, _span(node), loc))

    def _count(self, node: Node) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._stop(node, f"more than {MAX_NODES} values (aliases counted each time)")

    def _stop(self, node: Node, what: str) -> None:
        raise self._document.error([Mistake(what, span=_span(node))])


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _MAX_DIGITS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _HEX.fullmatch(text):
        return int(text, 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def _tag_name(tag: str) -> str:
    name = tag.replace("tag:yaml.org,2002:", "!!")
    return "".join(char if char.isprintable() else "?" for char in name)


def _span(node: Node) -> Span:
    start, end = node.start_mark, node.end_mark
    if isinstance(node, MappingNode) and not node.flow_style and node.value:
        return _span(node.value[0][0])
    if isinstance(node, SequenceNode) and not node.flow_style:
        return Span(start.line + 1, start.column, 1)
    to_line_end = 10 * MAX_BYTES
    return Span(
        start.line + 1, start.column, max(1, end.column - start.column) if start.line == end.line else to_line_end
    )
