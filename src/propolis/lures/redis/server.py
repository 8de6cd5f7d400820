"""Commands on the server itself: settings, saving, replication, modules."""

import re

from propolis.clock import SECOND
from propolis.lures.redis.info import info, memory_stats
from propolis.lures.redis.persona import Setting
from propolis.lures.redis.session import Handler, Refused, Session, canonical, glob, number_of
from propolis.lures.redis.wire import OK, SILENCE, Error, Many, Status, Value, Verbatim, integer

_SET_FAILED = "ERR CONFIG SET failed (possibly related to argument '{}') - {}"
_SIZE = re.compile(rb"(?i)(\d{1,15})(b|k|kb|m|mb|g|gb)?")
_UNITS = {b"": 1, b"b": 1, b"k": 1_000, b"kb": 1_024, b"m": 10**6, b"mb": 2**20, b"g": 10**9, b"gb": 2**30}
_SETTING_BYTES = 1_024
"""The longest value of a setting that is kept."""


def config_get(session: Session, words: list[bytes]) -> Value:
    """``CONFIG GET pattern …``: names and values, each once."""
    names = session.instance.settings
    found: dict[str, None] = {}
    for word in words[2:]:
        shown = word.decode("latin-1")
        # a name is given back as it was asked for; only patterns look for names
        if shown.lower() in session.instance.table.persona.config:
            found[shown] = None
        else:
            matches = glob(word.lower()).fullmatch
            found.update(dict.fromkeys(name for name in names if matches(name.encode())))
    pairs = [text for name in found for text in (name, session.setting(name.lower()))]
    return Many("%", [text.encode("latin-1") for text in pairs])


def config_set(session: Session, words: list[bytes]) -> Value:
    """``CONFIG SET name value …``: all or none of them."""
    if len(words) % 2:
        raise Refused("ERR wrong number of arguments for 'config|set' command")
    known = session.instance.table.persona.config
    changed: dict[str, str] = {}
    for word, value in zip(words[2::2], words[3::2], strict=True):
        name = word.decode("latin-1").lower()
        if name not in known:
            shown = word.decode("latin-1")
            raise Refused(f"ERR Unknown option or number of arguments for CONFIG SET - '{shown}'")
        if canonical(name) in changed:
            raise Refused(_SET_FAILED.format(word.decode("latin-1"), "duplicate parameter"))
        taken = _taken(session, name, known[name], value)
        if isinstance(taken, Error):
            raise Refused(_SET_FAILED.format(name, taken.text))
        changed[canonical(name)] = taken
    session.settings.update(changed)
    return OK


def _taken(session: Session, name: str, setting: Setting, value: bytes) -> str | Error:
    """The value as the server keeps it, or its complaint."""
    text = value[:_SETTING_BYTES].decode("latin-1")
    complaint = setting.complaint
    if name == "dir":
        return _folder(session, text)
    if name == "dbfilename" and "/" in text:
        return Error("dbfilename can't be a path, just a filename")
    if not complaint or name == "bind":
        return text
    if "immutable" in complaint:
        return Error(complaint)
    if "integer" in complaint:
        return _number(setting, value)
    if "memory" in complaint:
        size = _SIZE.fullmatch(value)
        return str(int(size[1]) * _UNITS[(size[2] or b"").lower()]) if size else Error(complaint)
    if "'yes' or 'no'" in complaint:
        return text.lower() if text.lower() in {"yes", "no"} else Error(complaint)
    if "one of the following: " in complaint:
        choices = complaint.partition("following: ")[2].split(", ")
        return text.lower() if text.lower() in choices else Error(complaint)
    if name == "save" and not re.fullmatch(r"(?:\d{1,9} \d{1,9}(?: |$))*", text):
        return Error(complaint)
    return text


def _number(setting: Setting, value: bytes) -> str | Error:
    amount = integer(value)
    if amount is None:
        return Error(setting.complaint)
    if setting.most and not setting.least <= amount <= setting.most:
        return Error(f"argument must be between {setting.least} and {setting.most} inclusive")
    return str(amount)


def _folder(session: Session, path: str) -> str | Error:
    """Where ``chdir`` leads, from where the server is."""
    parts: list[str] = []
    for part in f"{'' if path.startswith('/') else session.setting('dir')}/{path}".split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    found = "/" + "/".join(parts)
    if path and found in session.instance.table.persona.folders:
        return found
    return Error("No such file or directory")


def config_resetstat(_session: Session, words: list[bytes]) -> Value:
    """``CONFIG RESETSTAT``, ``CONFIG REWRITE``."""
    if len(words) > 2:
        raise Refused(f"ERR wrong number of arguments for 'config|{words[1].lower().decode()}' command")
    return OK


def save(session: Session, _words: list[bytes]) -> Value:
    """``SAVE``: done at once."""
    session.saved = session.visit.clock.now() // SECOND
    session.changes = 0
    return OK


def bgsave(session: Session, words: list[bytes]) -> Value:
    """``BGSAVE [SCHEDULE]``."""
    if len(words) > 1 and (len(words) > 2 or words[1].upper() != b"SCHEDULE"):
        raise Refused("ERR syntax error")
    save(session, words)
    return Status("Background saving started")


def bgrewriteaof(_session: Session, _words: list[bytes]) -> Value:
    """``BGREWRITEAOF``."""
    return Status("Background append only file rewriting started")


def lastsave(session: Session, _words: list[bytes]) -> Value:
    """``LASTSAVE``: UTC seconds."""
    return session.saved or session.instance.started(session.visit.clock.now())


def replicaof(session: Session, words: list[bytes]) -> Value:
    """``REPLICAOF host port``, ``SLAVEOF``, ``REPLICAOF NO ONE``. Nobody is connected to: a decoy reaches nobody."""
    if (words[1].lower(), words[2].lower()) == (b"no", b"one"):
        session.master = None
        return OK
    port = number_of(words[2], "ERR Invalid master port")
    if not 0 <= port <= 65_535:
        raise Refused("ERR Invalid master port")
    if session.master == (words[1][:_SETTING_BYTES], port):
        return Status("OK Already connected to specified master")
    session.master = (words[1][:_SETTING_BYTES], port)
    return OK


def role(session: Session, _words: list[bytes]) -> Value:
    """``ROLE``."""
    if session.master is None:
        return [b"master", 0, []]
    return [b"slave", session.master[0], session.master[1], b"connect", -1]


def psync(session: Session, words: list[bytes]) -> Value:
    """``PSYNC replid offset``, ``SYNC``: the copy that follows is never made."""
    if session.master is not None:
        raise Refused("NOMASTERLINK Can't SYNC while not connected with my master")
    if words[0].lower() == b"sync":
        return SILENCE
    return Status(f"FULLRESYNC {session.instance.identity(session.visit.clock.now(), 'replication')} 0")


def replconf(_session: Session, words: list[bytes]) -> Value:
    """``REPLCONF option value …``."""
    if len(words) % 2 == 0:
        raise Refused("ERR syntax error")
    return OK


def failover(session: Session, _words: list[bytes]) -> Value:
    """``FAILOVER``: there is nobody to take over."""
    if session.master is not None:
        raise Refused("ERR FAILOVER is not valid when server is a replica.")
    raise Refused("ERR FAILOVER requires connected replicas.")


def module_list(_session: Session, _words: list[bytes]) -> Value:
    """``MODULE LIST``."""
    return []


def module_load(_session: Session, _words: list[bytes]) -> Value:
    """``MODULE LOAD path [argument …]``: there is never such a file."""
    raise Refused("ERR Error loading the extension. Please check the server logs.")


def module_unload(_session: Session, _words: list[bytes]) -> Value:
    """``MODULE UNLOAD name``."""
    raise Refused("ERR Error unloading module: no such module with that name")


def time(session: Session, _words: list[bytes]) -> Value:
    """``TIME``: seconds and microseconds."""
    now = session.visit.clock.now()
    return [b"%d" % (now // SECOND), b"%d" % (now % SECOND // 1_000)]


def latency_histogram(_session: Session, _words: list[bytes]) -> Value:
    """``LATENCY HISTOGRAM``: as after ``CONFIG RESETSTAT``."""
    return Many("%", [])


def slowlog_get(_session: Session, words: list[bytes]) -> Value:
    """``SLOWLOG GET [count]``: nothing was slow."""
    if len(words) > 2 and number_of(words[2]) < -1:
        raise Refused("ERR count should be greater than or equal to -1")
    return []


def slowlog_len(_session: Session, _words: list[bytes]) -> Value:
    """``SLOWLOG LEN``."""
    return 0


def lolwut(session: Session, _words: list[bytes]) -> Value:
    """``LOLWUT``: the version, as it says to dumb terminals."""
    return Verbatim(f"Redis ver. {session.instance.table.persona.version}\n".encode())


def wait(_session: Session, words: list[bytes]) -> Value:
    """``WAIT replicas milliseconds``: there are no replicas."""
    number_of(words[1])
    if number_of(words[2], "ERR timeout is not an integer or out of range") < 0:
        raise Refused("ERR timeout is negative")
    return 0


def shutdown(session: Session, words: list[bytes]) -> Value:
    """``SHUTDOWN``: the connection ends, as it does when the server goes; the next one finds it restarted."""
    if any(word.upper() not in {b"NOSAVE", b"SAVE", b"NOW", b"FORCE"} for word in words[1:]):
        raise Refused("ERR syntax error")
    session.is_over = True
    return None


COMMANDS: dict[bytes, Handler] = {
    b"bgrewriteaof": bgrewriteaof,
    b"bgsave": bgsave,
    b"config|get": config_get,
    b"config|resetstat": config_resetstat,
    b"config|rewrite": config_resetstat,
    b"config|set": config_set,
    b"failover": failover,
    b"info": info,
    b"lastsave": lastsave,
    b"latency|histogram": latency_histogram,
    b"lolwut": lolwut,
    b"memory|stats": memory_stats,
    b"module|list": module_list,
    b"module|load": module_load,
    b"module|loadex": module_load,
    b"module|unload": module_unload,
    b"psync": psync,
    b"replconf": replconf,
    b"replicaof": replicaof,
    b"role": role,
    b"save": save,
    b"shutdown": shutdown,
    b"slaveof": replicaof,
    b"slowlog|get": slowlog_get,
    b"slowlog|len": slowlog_len,
    b"sync": psync,
    b"time": time,
    b"wait": wait,
}
