"""JSON and JSON lines as flat records: the columns of nested objects are written with dots, `reviewer.displayName`."""

import json
import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from pipeline.read.files import Blob, Unreadable, text_of

LONE = re.compile(r"[\ud800-\udfff]")
DEEPEST = 6
DECODER = json.JSONDecoder()


class Record(NamedTuple):
    """One object. `number` is its line (JSON lines) or its place in the list; `problem` why it is none, and then `cells` is empty."""

    number: int
    cells: dict[str, str]
    problem: str | None = None
    typed: str = ""  # the broken line


def is_lines(blob: Blob) -> bool:
    """Whether a JSON text holds an object a line rather than one document."""
    with text_of(blob) as stream:
        head = stream.read(1 << 20)
        if len(head) == 1 << 20 and "\n" not in head:  # a first line longer than that: what begins the next one tells
            stream.readline()
            return head.lstrip("\ufeff \t\r").startswith("{") and stream.readline(1 << 20).startswith("{")
        whole = not stream.read(1)
    text = head.lstrip("\ufeff \t\r\n")
    try:
        found, end = DECODER.raw_decode(text)
        return isinstance(found, dict) and bool(text[end:].strip() or (whole and not _envelope(found)))
    except (ValueError, RecursionError):
        pass
    # The first value is broken or longer than the head: a second line that holds an object by itself tells.
    return any(line.startswith("{") and _parsed(line)[1] is None for line in text.split("\n")[1:200])


def _envelope(found: dict) -> bool:
    """Whether an object is one around a list of others."""
    return not found or any(_lists(value) for value in found.values())


def _lists(value) -> bool:
    if isinstance(value, list):
        return not value or isinstance(value[0], dict) or any(map(_lists, value[:3]))
    return isinstance(value, dict) and any(map(_lists, value.values()))


def _parsed(line: str):
    """(value, problem)."""
    line = line.strip(" \t\r\n")
    try:
        value, end = DECODER.raw_decode(line)
        if end < len(line):
            raise ValueError("more than one value")
    except (ValueError, RecursionError):
        return None, "not valid JSON: the line is cut off or a mark is missing"
    return (value, None) if isinstance(value, dict) else (None, "not a JSON object with names and values")


def line_records(blob: Blob, only: Collection[str] | None = None) -> Iterator[Record]:
    """The objects of a JSON lines file, in order, with their line numbers; blank lines are passed over. `only`: see flat."""
    with text_of(blob) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip("\ufeff \t\r\n"):
                continue
            value, problem = _parsed(line.lstrip("\ufeff"))
            if problem:
                yield Record(number, {}, problem, line)
            else:
                yield Record(number, flat(value, only))


def document(blob: Blob):
    """A JSON document. Raises Unreadable with the line where it breaks."""
    with text_of(blob) as stream:
        text = stream.read().lstrip("\ufeff")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = (
            "at its end: the file is cut off"
            if not text[error.pos :].strip()
            else f"at line {error.lineno}, column {error.colno}"
        )
        raise Unreadable(f"not valid JSON, it breaks {where}; download it again") from None
    except (ValueError, RecursionError):
        raise Unreadable("not valid JSON: a number too long or objects too deep; download it again") from None


def lists_of(value, parent: dict | None = None, depth: int = 0) -> Iterator[tuple[dict, list]]:
    """(the object around it, list) for every list that holds objects, outermost first."""
    if depth > DEEPEST:
        return
    if isinstance(value, list):
        if any(isinstance(item, dict) for item in value):
            yield parent or {}, value
        for item in value:
            if isinstance(item, (dict, list)):
                yield from lists_of(item, item if isinstance(item, dict) else parent, depth + 1)
    elif isinstance(value, dict):
        for inner in value.values():
            if isinstance(inner, (dict, list)):
                yield from lists_of(inner, value, depth + 1)


def list_records(items: list, only: Collection[str] | None = None) -> Iterator[Record]:
    """The objects of a list, numbered from 1; what is none is a problem of its own. `only`: see flat."""
    for number, item in enumerate(items, 1):
        if isinstance(item, dict):
            yield Record(number, flat(item, only))
        else:
            yield Record(number, {}, "not an object with names and values", json.dumps(item, ensure_ascii=False)[:200])


def flat(value: dict, only: Collection[str] | None = None) -> dict[str, str]:
    """An object without its nesting: every value a string, null the empty one. `only`: names that will be looked at."""
    found: dict[str, str] = {}
    for name, inner in value.items():
        if only is not None and name not in only and not isinstance(inner, (dict, list)):
            continue
        if type(inner) is str and inner.isascii() and name.isascii():
            found[name] = inner
        else:
            _flatten(name if name.isascii() else LONE.sub("\ufffd", name), inner, found, 0)
    return found


def _flatten(name: str, value, found: dict[str, str], depth: int) -> None:
    if isinstance(value, str):
        found[name] = LONE.sub("\ufffd", value) if not value.isascii() else value
    elif value is None:
        found[name] = ""
    elif value is True or value is False:
        found[name] = "true" if value else "false"
    elif isinstance(value, float):
        found[name] = str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    elif isinstance(value, int):
        found[name] = str(value) if abs(value) < 10**30 else "#"
    elif depth < DEEPEST:
        pairs = value.items() if isinstance(value, dict) else enumerate(value[:20])
        for inner_name, inner in pairs:
            _flatten(f"{name}.{LONE.sub(chr(0xFFFD), str(inner_name))}", inner, found, depth + 1)
