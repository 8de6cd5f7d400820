"""Where in a rule file something stands: the line of a key such as ``examples.match[1]``."""

import yaml


def line_of(text: str, where: str) -> int:
    """The line (from 1) of the deepest part of ``where`` that is there; 0 if nothing of it is, or it is not YAML."""
    if where.startswith("line ") and where[5:].isdigit():
        return int(where[5:])
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError):
        return 0
    line, rest = 0, where
    while rest:
        step = _step(node, rest)
        if step is None:
            break
        line, node, rest = step
    return line


def _step(node: yaml.Node | None, where: str) -> tuple[int, yaml.Node, str] | None:
    """One key or index down: its line, what is there, and what remains of the way."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = str(key.value)
            rest = where[len(name) :]
            if where.startswith(name) and rest[:1] in {"", ".", "["}:
                return key.start_mark.line + 1, value, rest.removeprefix(".")
    elif isinstance(node, yaml.SequenceNode) and where.startswith("["):
        index, _, rest = where[1:].partition("]")
        if index.isdigit() and int(index) < len(node.value):
            inner = node.value[int(index)]
            return inner.start_mark.line + 1, inner, rest.removeprefix(".")
    return None
