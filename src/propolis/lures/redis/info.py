"""``INFO``: the recorded sections with what this sensor and this connection change in them."""

from functools import lru_cache

import msgspec

from propolis.clock import SECOND
from propolis.lures.redis.instance import Instance
from propolis.lures.redis.session import Session
from propolis.lures.redis.wire import Many, Value, Verbatim

_DAY_SECONDS = 86_400
_COMMANDS_PER_CLIENT = 9
_BYTES_IN, _BYTES_OUT = 31, 1_450
"""About what a client of an exposed server sends and gets, per command."""


def info(session: Session, words: list[bytes]) -> Value:
    """``INFO [section …]``."""
    persona = session.instance.table.persona
    wanted: dict[str, None] = {}
    for word in words[1:] or [b"default"]:
        match word.decode("latin-1").lower():
            case "default":
                wanted.update(dict.fromkeys(persona.default_sections))
            case "all":
                wanted.update(dict.fromkeys(name for name in persona.info if name != "modules"))
            case "everything":
                wanted.update(dict.fromkeys(persona.info))
            case name:
                wanted[name] = None
    names = tuple(name for name in persona.info if name in wanted)
    form = _form(session.instance, names, _standing(session), is_replica=session.master is not None)
    return Verbatim((form % _own(session)).encode("latin-1"))


class Standing(msgspec.Struct, frozen=True):
    """What the steady part of ``INFO`` depends on: the UTC second, bytes written, and three settings."""

    second: int
    written: int
    maxmemory: int
    policy: str
    port: str


def _standing(session: Session) -> Standing:
    maximum, policy, port = (session.setting(name) for name in ("maxmemory", "maxmemory-policy", "port"))
    return Standing(session.visit.clock.now() // SECOND, session.written, int(maximum), policy, port)


@lru_cache(maxsize=256)
def _form(instance: Instance, names: tuple[str, ...], standing: Standing, *, is_replica: bool) -> str:
    """The sections with a place (``%(key)s``) for each value that is the connection's own."""
    persona = instance.table.persona
    steady = _steady(instance, standing)
    sections = []
    for name in names:
        lines = persona.replica if is_replica and name == "replication" else persona.info[name]
        shown = [
            f"{key}:%({key})s" if key in _OWN else f"{key}:{steady.get(key, value)}".replace("%", "%%")
            for key, value in lines
        ]
        title = "CPU" if name == "cpu" else name.capitalize()
        more = f"%({name})s" if name in _MADE else ""
        sections.append("\r\n".join((f"# {title}", *shown, more)))
    return "\r\n".join(sections)


def _keyspace(session: Session) -> str:
    lines = []
    for index, keys in sorted(session.keyspaces.items()):
        count = len(keys.keys())
        ends = keys.expiring()
        average = sum(ends) // len(ends) - keys.now() if ends else 0
        if count:
            lines.append(f"db{index}:keys={count},expires={len(ends)},avg_ttl={average}\r\n")
    return "".join(lines)


def _commandstats(session: Session) -> str:
    """What this connection ran, at a pace that differs from command to command."""
    lines = []
    for name, calls in session.calls.items():
        pace = 1 + sum(name.encode("latin-1")) % 40
        spent = f"calls={calls},usec={calls * pace},usec_per_call={pace}.00"
        lines.append(f"cmdstat_{name}:{spent},rejected_calls=0,failed_calls=0\r\n")
    return "".join(lines)


def _errorstats(session: Session) -> str:
    return "".join([f"errorstat_{code}:count={count}\r\n" for code, count in session.errors.items()])


_FIGURES = {
    "peak.allocated": "used_memory_peak",
    "total.allocated": "used_memory",
    "startup.allocated": "used_memory_startup",
    "clients.normal": "mem_clients_normal",
    "overhead.total": "used_memory_overhead",
    "dataset.bytes": "used_memory_dataset",
    "allocator.allocated": "allocator_allocated",
    "allocator.active": "allocator_active",
    "allocator.resident": "allocator_resident",
    "allocator-fragmentation.bytes": "allocator_frag_bytes",
    "allocator-rss.bytes": "allocator_rss_bytes",
    "rss-overhead.bytes": "rss_overhead_bytes",
    "fragmentation.bytes": "mem_fragmentation_bytes",
    "dataset.percentage": "used_memory_dataset_perc",
    "peak.percentage": "used_memory_peak_perc",
    "allocator-fragmentation.ratio": "allocator_frag_ratio",
    "allocator-rss.ratio": "allocator_rss_ratio",
    "rss-overhead.ratio": "rss_overhead_ratio",
    "fragmentation": "mem_fragmentation_ratio",
}
"""Figures of ``MEMORY STATS`` that are lines of ``INFO``."""


def memory_stats(session: Session, _words: list[bytes]) -> Value:
    """``MEMORY STATS``: the recorded list with the figures of ``INFO``."""
    recorded = session.instance.table.answers[b"memory|stats"]
    items = recorded.items if isinstance(recorded, Many) else []
    values = _steady(session.instance, _standing(session))
    told: list[Value] = []
    for name, value in zip(items[::2], items[1::2], strict=True):
        figure = values.get(_FIGURES.get(name.decode() if isinstance(name, bytes) else "", ""))
        told += [name, _figure(figure) if figure is not None else value]
    return Many("%", told)


def _figure(value: object) -> Value:
    return value if isinstance(value, int) else float(str(value).removesuffix("%"))


def human(count: int) -> str:
    """Bytes as the server writes them for people: ``895.74K``."""
    for unit, size in (("G", 2**30), ("M", 2**20), ("K", 2**10)):
        if count >= size:
            return f"{count / size:.2f}{unit}"
    return f"{count}B"


def _steady(instance: Instance, standing: Standing) -> dict[str, object]:
    """Lines that stay as they are for a second."""
    now = standing.second * SECOND
    uptime = instance.uptime_seconds(now)
    startup, used = instance.used_bytes, instance.used_bytes + 40_768 + standing.written
    resident = instance.resident_bytes + standing.written
    overhead = startup + 200
    peak = used + 22_272 + 8 * instance.process_id
    allocated = used + 226_144
    active = (allocated + 393_216) & -4_096
    kept = active + 2_670_592
    system = instance.memory_bytes
    busy = uptime * 0.0011
    return {
        "run_id": instance.identity(now, "run"),
        "process_id": instance.process_id,
        "tcp_port": standing.port,
        "uptime_in_seconds": uptime,
        "uptime_in_days": uptime // _DAY_SECONDS,
        "lru_clock": now // SECOND & 0xFFFFFF,
        "used_memory": used,
        "used_memory_human": human(used),
        "used_memory_rss": resident,
        "used_memory_rss_human": human(resident),
        "used_memory_peak": peak,
        "used_memory_peak_human": human(peak),
        "used_memory_peak_perc": f"{100 * used / peak:.2f}%",
        "used_memory_overhead": overhead,
        "used_memory_startup": startup,
        "used_memory_dataset": used - overhead,
        "used_memory_dataset_perc": f"{100 * (used - overhead) / (used - startup):.2f}%",
        "allocator_allocated": allocated,
        "allocator_active": active,
        "allocator_resident": kept,
        "allocator_frag_ratio": f"{active / allocated:.2f}",
        "allocator_frag_bytes": active - allocated,
        "allocator_rss_ratio": f"{kept / active:.2f}",
        "allocator_rss_bytes": kept - active,
        "rss_overhead_ratio": f"{resident / kept:.2f}",
        "rss_overhead_bytes": resident - kept,
        "mem_fragmentation_ratio": f"{resident / used:.2f}",
        "mem_fragmentation_bytes": resident - used,
        "total_system_memory": system,
        "total_system_memory_human": human(system),
        "mem_clients_normal": 1_800,
        "master_replid": instance.identity(now, "replication"),
        "used_cpu_sys": f"{busy:.6f}",
        "used_cpu_user": f"{busy * 0.9:.6f}",
        "used_cpu_sys_main_thread": f"{busy * 0.99:.6f}",
        "used_cpu_user_main_thread": f"{busy * 0.89:.6f}",
        "maxmemory": standing.maxmemory,
        "maxmemory_human": human(standing.maxmemory),
        "maxmemory_policy": standing.policy,
    }


_MADE = frozenset(("keyspace", "commandstats", "errorstats"))
"""Sections whose lines are made anew each time."""
_OWN = frozenset(
    (
        "master_host",
        "master_port",
        "number_of_cached_scripts",
        "rdb_changes_since_last_save",
        "rdb_last_save_time",
        "rdb_saves",
        "server_time_usec",
        "total_commands_processed",
        "total_connections_received",
        "total_net_input_bytes",
        "total_net_output_bytes",
        "total_reads_processed",
        "total_writes_processed",
    )
)
"""Lines whose values are the connection's own."""


def _own(session: Session) -> dict[str, object]:
    """The values of :data:`_OWN` and :data:`_MADE`."""
    now = session.visit.clock.now()
    commands = session.client_id * _COMMANDS_PER_CLIENT + sum(session.calls.values())
    host, port = session.master or (b"", 0)
    return {
        "commandstats": _commandstats(session),
        "errorstats": _errorstats(session),
        "keyspace": _keyspace(session),
        "master_host": host.decode("latin-1"),
        "master_port": port,
        "number_of_cached_scripts": len(session.scripts),
        "rdb_changes_since_last_save": session.changes,
        "rdb_last_save_time": session.saved or session.instance.started(now),
        "rdb_saves": int(session.saved > 0),
        "server_time_usec": now // 1_000,
        "total_commands_processed": commands,
        "total_connections_received": session.client_id,
        "total_net_input_bytes": commands * _BYTES_IN,
        "total_net_output_bytes": commands * _BYTES_OUT,
        "total_reads_processed": commands + session.client_id,
        "total_writes_processed": commands,
    }
