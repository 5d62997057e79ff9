"""Says in plain words, with file and line, what pydantic found wrong in a document. Knows no board and no suite."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from hilbench.catalog.document import Document, Loc, Mistake, Span, dotted
from hilbench.errors import nearest

_NOT_A = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of a sensible size",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
}
_LIMITS = {
    "greater_than": ("gt", "{} is not above {}"),
    "greater_than_equal": ("ge", "{} is below {}"),
    "less_than": ("lt", "{} is not below {}"),
    "less_than_equal": ("le", "{} is above {}"),
}
_PATTERNS = {
    r"^[a-z0-9][a-z0-9-]*$": "lower-case letters, digits and '-'",
    r"^[a-z0-9][a-z0-9_-]*$": "lower-case letters, digits, '-' and '_'",
    r"^[a-z0-9_]+$": "lower-case letters, digits and '_'",
    r"^[a-z][a-z0-9_]*$": "a lower-case letter, then lower-case letters, digits and '_'",
    r"^[0-9a-f]{64}$": "64 lower-case hexadecimal digits, as sha256sum prints them",
}
_LONGEST = 60


def mistakes(error: ValidationError, document: Document, model: type[BaseModel], at: Loc = ()) -> Iterator[Mistake]:
    """Yield each of pydantic's complaints about the value at `at`, which should have been a `model`, as a `Mistake`.

    Left out are those about a value that the document already has a mistake for, and "missing" where a misspelt key
    explains it.
    """
    known = {mistake.loc for mistake in document.mistakes if mistake.loc}
    details = error.errors(include_url=False)
    misspelt = {
        (*one["loc"][:-1], _suggestion(str(one["loc"][-1]), _keys(model, one["loc"][:-1])))
        for one in details
        if one["type"] == "extra_forbidden"
    }
    for one in details:
        loc = at + one["loc"]
        spelling = one["type"] == "missing" and one["loc"] in misspelt
        counted_bad_items_out = one["type"] == "too_short" and len(one["input"]) >= one["ctx"]["min_length"]
        told = any(loc[: len(place)] == place for place in known)
        if not (spelling or counted_bad_items_out or told):
            yield _Told(document, model, at, one).mistake()


class _Told:
    """One complaint of pydantic, about to be put into words."""

    def __init__(self, document: Document, model: type[BaseModel], at: Loc, details: Mapping[str, Any]) -> None:
        self._document = document
        self._model = model
        self._inner: Loc = details["loc"]
        self._loc = at + self._inner
        self._type: str = details["type"]
        self._context: Mapping[str, Any] = details.get("ctx", {})
        self._message: str = details["msg"]
        self._input = details["input"]

    def mistake(self) -> Mistake:
        if self._loc and self._loc[-1] == "[key]":
            return self._wrong_key()
        if self._type == "missing":
            return self._missing()
        if self._type == "extra_forbidden":
            hint = nearest(str(self._loc[-1]), _keys(self._model, self._inner[:-1]))
            return self._make(f"unknown key {self._loc[-1]!r}", hint, self._loc[:-1], on_key=True)
        what, hint = self._wrong_value()
        return self._make(what, hint or _description(self._model, self._inner), self._loc)

    def _wrong_key(self) -> Mistake:
        key = str(self._loc[-2])
        if self._type == "literal_error":
            hint = nearest(key, _keys(self._model, self._inner[:-2]))
        else:
            hint = _PATTERNS.get(str(self._context.get("pattern")), "")
        return self._make(
            f"unknown key {key!r}" if self._type == "literal_error" else f"{key!r} cannot be a key here",
            hint,
            self._loc[:-2],
            on_key=True,
        )

    def _missing(self) -> Mistake:
        parent, name = self._loc[:-1], self._loc[-1]
        span = (
            self._document.keys.get(self._loc) or self._document.keys.get(parent) or self._document.values.get(parent)
        )
        if not parent and span and self._loc not in self._document.keys:
            span = Span(span.line)
        prefix = f"{dotted(parent)}: " if parent else ""
        return Mistake(f"{prefix}'{name}' is missing", _description(self._model, self._inner), span, self._loc)

    def _wrong_value(self) -> tuple[str, str]:
        value, shown = self._input, self._shown()
        if self._type in _NOT_A:
            kind = _NOT_A[self._type]
            if value is None:
                return f"a value is missing: {kind}", ""
            quotes = "put it in quotes" if kind == "text" and isinstance(value, bool | int | float) else ""
            whole = f"write {value:.0f}" if isinstance(value, float) and value.is_integer() else ""
            return f"{shown} is not {kind}", quotes or whole
        if self._type in _LIMITS:
            name, sentence = _LIMITS[self._type]
            return sentence.format(shown, self._context[name]), ""
        if self._type in ("literal_error", "not_one_of"):
            words = self._context.get("known") or _literals(_annotation(self._model, self._inner))
            if value is None:
                return "a value is missing", f"one of: {', '.join(words)}"
            return f"{shown} is not one of: {', '.join(words)}", nearest(str(value), words) if words else ""
        if self._type == "string_pattern_mismatch":
            hint = _PATTERNS.get(str(self._context["pattern"]), "")
            return f"{shown} is not written as it should be", hint or f"the pattern is {self._context['pattern']}"
        if self._type == "too_short":
            least = self._context["min_length"]
            if not self._input:
                return f"nothing is here; at least {'one is' if least == 1 else f'{least} are'} needed", ""
            return f"{len(self._input)} here, and at least {least} are needed", ""
        if self._type == "string_too_short":
            return f"{shown} is too short" if value else "this is empty", ""
        if self._type == "value_error":
            return str(self._context["error"]), ""
        return f"{shown}: {self._message[:1].lower()}{self._message[1:]}", ""

    def _make(self, what: str, hint: str, named: Loc, on_key: bool = False) -> Mistake:
        place = self._loc[:-1] if self._loc[-1:] == ("[key]",) else self._loc
        name = dotted(named if named in self._document.values else named[:-1])
        return Mistake(f"{name}: {what}" if name else what, hint, _span(self._document, place, on_key), self._loc)

    def _shown(self) -> str:
        value = self._input
        if isinstance(value, dict):
            return "a mapping"
        if isinstance(value, tuple):
            return "a list"
        text = repr(value) if isinstance(value, str) else self._document.text.get(self._loc, str(value))
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _span(document: Document, loc: Loc, on_key: bool) -> Span | None:
    """Return the place of the value at `loc` (of its key, for a mapping or list), or that of its nearest parent."""
    if (on_key or loc not in document.text) and loc in document.keys:
        return document.keys[loc]
    while loc not in document.values and loc:
        loc = loc[:-1]
    if loc in document.keys and loc not in document.text:
        return document.keys[loc]
    return document.values.get(loc)


def _suggestion(word: str, known: list[str]) -> str:
    hint = nearest(word, known) if known else ""
    return hint.removeprefix("did you mean '").removesuffix("'?") if hint.startswith("did you mean") else ""


def _strip(annotation: Any) -> Any:
    """Return an annotation without `Annotated` and `None`."""
    while True:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            annotation = arguments[0]
        elif origin in (Union, types.UnionType):
            annotation = next((one for one in arguments if one is not types.NoneType), None)
        else:
            return annotation


def _annotation(model: type[BaseModel], loc: Loc) -> Any:
    """Return the type that `model` has at `loc`, None where it has none."""
    current: Any = model
    for part in loc:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            current = _strip(field.annotation) if field else None
        elif get_origin(current) in (tuple, list):
            current = _strip(get_args(current)[0])
        elif get_origin(current) is dict:
            current = _strip(get_args(current)[1])
        else:
            return None
    return current


def _keys(model: type[BaseModel], loc: Loc) -> list[str]:
    """Return the keys that a mapping at `loc` may have, where the model names them."""
    current = _annotation(model, loc)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [name for name, field in current.model_fields.items() if not field.exclude]
    return _literals(_strip(get_args(current)[0])) if get_origin(current) is dict else []


def _literals(annotation: Any) -> list[str]:
    return [str(word) for word in get_args(annotation)]


def _description(model: type[BaseModel], loc: Loc) -> str:
    parent = _annotation(model, loc[:-1])
    if loc and isinstance(parent, type) and issubclass(parent, BaseModel):
        field = parent.model_fields.get(str(loc[-1]))
        return (field.description or "") if field else ""
    return ""
