"""``COMMAND``: the recorded command table."""

from functools import lru_cache

from propolis.lures.redis.instance import Instance
from propolis.lures.redis.persona import Table, name_of, subcommands, value_of
from propolis.lures.redis.session import Handler, Refused, Session
from propolis.lures.redis.wire import Encoded, Many, Protocol, Value, encode


@lru_cache(maxsize=4)
def _entries(table: Table) -> dict[bytes, Value]:
    """Every entry by its full name, in the order recorded."""
    found: dict[bytes, Value] = {}
    for name, command in table.persona.commands.items():
        entry = value_of(command.entry)
        found[name.encode("latin-1")] = entry
        found |= {name_of(inner): inner for inner in subcommands(entry)}
    return found


@lru_cache(maxsize=4)
def _docs(table: Table) -> dict[bytes, Value]:
    return {name.encode("latin-1"): value_of(each.docs) for name, each in table.persona.commands.items()}


@lru_cache(maxsize=32)
def _everything(instance: Instance, protocol: Protocol, what: str) -> Encoded:
    """``COMMAND`` or ``COMMAND DOCS``, encoded once: the answers are long."""
    order = [name.encode("latin-1") for name in instance.commands]
    if what == "docs":
        docs = _docs(instance.table)
        value: Value = Many("%", [part for name in order for part in (name, docs[name])])
    else:
        entries = _entries(instance.table)
        value = [entries[name] for name in order]
    return Encoded(encode(value, protocol) or b"")


def command(session: Session, _words: list[bytes]) -> Value:
    """``COMMAND``."""
    return _everything(session.instance, session.protocol, "entries")


def command_info(session: Session, words: list[bytes]) -> Value:
    """``COMMAND INFO [name …]``: null for what is not known."""
    if len(words) == 2:
        return command(session, words)
    entries = _entries(session.instance.table)
    return [entries.get(word.lower()) for word in words[2:]]


def count(session: Session, _words: list[bytes]) -> Value:
    """``COMMAND COUNT``."""
    return len(session.instance.table.persona.commands)


def names(session: Session, words: list[bytes]) -> Value:
    """``COMMAND LIST``."""
    if len(words) > 2:
        raise Refused("ERR syntax error")
    return [name.encode("latin-1") for name in session.instance.commands]


def docs(session: Session, words: list[bytes]) -> Value:
    """``COMMAND DOCS [name …]``: pairs of name and description, of what is known."""
    if len(words) == 2:
        return _everything(session.instance, session.protocol, "docs")
    known = _docs(session.instance.table)
    wanted = [word.lower() for word in words[2:]]
    return Many("%", [part for name in wanted if name in known for part in (name, known[name])])


def getkeys(session: Session, words: list[bytes]) -> Value:
    """``COMMAND GETKEYS command …``: of commands whose keys stand in a row."""
    entry = _entries(session.instance.table).get(words[2].lower())
    match entry:
        case None:
            raise Refused("ERR Invalid command specified")
        case [_, int(arity), _, int(first), int(last), int(step), *_]:
            given = words[2:]
            if len(given) != arity if arity > 0 else len(given) < -arity:
                raise Refused("ERR Invalid number of arguments specified for command")
            if first:
                end = last if last > 0 else len(given) + last
                return list(given[first : end + 1 : step])
    raise Refused("ERR The command has no key arguments")


COMMANDS: dict[bytes, Handler] = {
    b"command": command,
    b"command|count": count,
    b"command|docs": docs,
    b"command|getkeys": getkeys,
    b"command|info": command_info,
    b"command|list": names,
}
