"""``flow:``: the JavaScript that says which blocks of a template run, in which order, and with which values.

Run by QuickJS, with the names that the reference gives it: ``http(n or "id", ...)``, ``set``, ``iterate``, ``log``,
``template`` and ``Dedupe``. The value of the last expression is the flow's.
"""

import json
from collections.abc import Callable
from typing import Any, Final

import quickjs

from bench.scanner.text import Value

MAX_MEMORY_BYTES: Final = 64 << 20
MAX_STACK_BYTES: Final = 1 << 20
PRELUDE: Final = """
var template = {};
function __filled(text) { var fresh = JSON.parse(text); for (var k in fresh) { template[k] = fresh[k]; } }
function http() {
  var done = JSON.parse(__http(JSON.stringify(Array.prototype.slice.call(arguments).map(String))));
  for (var k in done.values) { template[k] = done.values[k]; }
  return done.matched;
}
function set(name, value) {
  template[name] = value;
  __set(String(name), JSON.stringify(value === undefined ? null : value));
}
function log() {}
function iterate() {
  var all = [];
  for (var i = 0; i < arguments.length; i++) {
    var v = arguments[i];
    if (v === null || v === undefined) { continue; }
    if (Array.isArray(v)) { all = all.concat(v); } else { all.push(v); }
  }
  return all;
}
function Dedupe() { this.all = []; }
Dedupe.prototype.Add = function (v) {
  var self = this;
  iterate(v).forEach(function (x) { if (self.all.indexOf(x) < 0) { self.all.push(x); } });
};
Dedupe.prototype.Values = function () { return this.all; };
"""


class FlowError(Exception):
    """A flow that does not run."""


def run_flow(
    text: str,
    values: dict[str, Value],
    block: Callable[[tuple[str, ...]], tuple[bool, dict[str, Value]]],
    keep: Callable[[str, Value], None],
) -> bool | None:
    """Run a flow; its value if that is a truth value.

    ``block`` runs the named blocks (none: all) and tells whether a matcher held and the values by then; ``keep`` is
    told of every ``set``. Raises :class:`FlowError`.
    """
    context = quickjs.Context()
    context.set_memory_limit(MAX_MEMORY_BYTES)
    context.set_max_stack_size(MAX_STACK_BYTES)

    def http(arguments: str) -> str:
        is_matched, now = block(tuple(json.loads(arguments)))
        return json.dumps({"matched": is_matched, "values": _plain(now)})

    def store(name: str, value: str) -> None:
        keep(name, json.loads(value))

    context.add_callable("__http", http)
    context.add_callable("__set", store)
    try:
        context.eval(PRELUDE)
        context.eval(f"__filled({json.dumps(json.dumps(_plain(values)))})")
        result: Any = context.eval(text)
    except quickjs.JSException as error:
        raise FlowError(str(error).splitlines()[0][:160]) from error
    return result if isinstance(result, bool) else None


def _plain(values: dict[str, Value]) -> dict[str, Value]:
    """Without what was received: pages are large, and no flow looks at them."""
    return {
        name: value for name, value in values.items() if not isinstance(value, str) or len(value) < 65_536
    }
