"""PHP's functions that print values: ``printf``, ``print_r`` and ``var_dump``."""

import json
import re

from propolis.flaws.effects.php.machine import Php
from propolis.flaws.effects.php.values import MAX_TEXT, Array, Value, number_of, text_of


def var_dump(machine: Php, values: list[Value]) -> Value:
    """``var_dump``."""
    for value in values:
        machine.say(_dumped(value, 0))
    return None


def _dumped(value: Value, indent: int) -> str:
    pad = " " * indent
    match value:
        case None:
            return f"{pad}NULL\n"
        case bool():
            return f"{pad}bool({'true' if value else 'false'})\n"
        case int():
            return f"{pad}int({value})\n"
        case float():
            return f"{pad}float({text_of(value)})\n"
        case str():
            return f'{pad}string({len(value)}) "{value}"\n'
    rows = "".join(
        f"{pad}  [{key if key.isdigit() else json.dumps(key)}]=>\n{_dumped(item, indent + 2) if indent < 16 else ''}"
        for key, item in value.items.items()
    )
    return f"{pad}array({len(value.items)}) {{\n{rows}{pad}}}\n"


def print_r(machine: Php, values: list[Value]) -> Value:
    """``print_r``, which returns the text if its second argument says so."""
    text = _printed(values[0], 0)
    if len(values) > 1 and values[1]:
        return text
    machine.say(text)
    return True


def _printed(value: Value, indent: int) -> str:
    if not isinstance(value, Array):
        return text_of(value)
    pad = " " * indent
    rows = "".join(
        f"{pad}    [{key}] => {_printed(item, indent + 8) if indent < 64 else ''}\n"
        for key, item in value.items.items()
    )
    return f"Array\n{pad}(\n{rows}{pad})\n"


def printf(machine: Php, values: list[Value]) -> Value:
    """``printf``."""
    said = text_of(sprintf(machine, values))
    machine.say(said)
    return len(said)


def sprintf(machine: Php, values: list[Value]) -> Value:
    """``sprintf`` with the common conversions; at most ``MAX_TEXT`` characters."""
    del machine
    rest = iter(values[1:])

    def convert(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        value = next(rest, None)
        match found[1]:
            case "s":
                return text_of(value)
            case "c":
                return chr(int(number_of(value)) & 0xFF)
            case _:
                return format(int(number_of(value)), {"u": "d"}.get(found[1], found[1]))

    return re.sub(r"%(?:%|[0-9.'-]{0,6}([sducxXob]))", convert, text_of(values[0]))[:MAX_TEXT]
