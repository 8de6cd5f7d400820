"""Commands that tell of the machine, its user and what runs on it, in the words of coreutils and procps."""

import re
from datetime import UTC, datetime
from types import MappingProxyType

from propolis.clock import SECOND
from propolis.machine.machine import ROOT, Machine
from propolis.machine.outcome import Outcome, Run, flags, plain, say

_MAX_FORMAT_CHARS = 200


def uname(machine: Machine, words: list[str], _given: str = "") -> Outcome:
    """``uname`` in the order of coreutils."""
    host, options = machine.host, flags(words) or "s"
    if "a" in options:
        return Outcome(f"{host.uname}\n")
    parts = {"s": "Linux", "n": host.name, "r": host.kernel, "v": host.build, "m": "x86_64", "o": "GNU/Linux"}
    return Outcome(" ".join(text for flag, text in parts.items() if flag in options) + "\n")


def identity(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``id``."""
    options, asked = flags(words), (plain(words) or [machine.user])[0]
    if asked not in {machine.user, "root"}:
        return Outcome(err=f"id: \u2018{asked}\u2019: no such user\n", status=1)
    number = ROOT if asked == "root" else machine.number
    if set(options) & set("ugG"):
        return Outcome(f"{asked if 'n' in options else number}\n")
    own = f"{number}({asked})"
    return Outcome(f"uid={own} gid={own} groups={own}\n")


def free(machine: Machine, words: list[str], _given: str = "") -> Outcome:
    """``free`` in kibibytes, mebibytes or gibibytes."""
    scale = {"m": 1024, "g": 1_048_576}.get(flags(words)[:1], 1)
    total = machine.host.memory_kib // scale
    used, unused = total // 5, total // 7
    row = "".join(
        f"{value:>12}" for value in (total, used, unused, total // 300, total - used - unused, total - used)
    )
    heads = "".join(f"{name:>12}" for name in ("total", "used", "free", "shared", "buff/cache", "available"))
    return Outcome(f"       {heads}\nMem:   {row}\nSwap:  {0:>12}{0:>12}{0:>12}\n")


def crontab(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``crontab``: nobody has one."""
    is_list = "l" in flags(words)
    return Outcome(err=f"no crontab for {machine.user}\n", status=1) if is_list else Outcome()


def env(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``env`` and ``printenv``."""
    if words:
        value = machine.value_of(words[0])
        return Outcome(f"{value}\n" if value else "", status=int(not value))
    return Outcome("".join(f"{name}={value}\n" for name, value in machine.variables.items()))


def ps(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``ps``: a few processes, more with ``a``, ``e`` or ``x``."""
    options = "".join(words).replace("-", "")
    if not set(options) & set("aexA"):
        return Outcome(
            "    PID TTY          TIME CMD\n   1412 ?        00:00:00 sh\n   1413 ?        00:00:00 ps\n"
        )
    booted = _moment(machine.now - machine.host.up_seconds(machine.now) * SECOND)
    day = f"{booted:%b%d}"
    rows = [("root", 1, "/sbin/init"), ("root", 2, "[kthreadd]"), ("root", 10, "[mm_percpu_wq]")]
    rows += [("root", 233, "/lib/systemd/systemd-journald"), ("root", 256, "/lib/systemd/systemd-udevd")]
    rows += [("message+", 412, "/usr/bin/dbus-daemon --system"), ("root", 398, "/usr/sbin/cron -f")]
    rows += [("root", 521, "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups")]
    user = machine.user if len(machine.user) < 9 else machine.user[:7] + "+"
    rows += [(user, 1411, "sh -c ps"), (user, 1413, "ps")]
    if "u" in options or "a" in options:
        body = "".join(
            f"{name:<8} {pid:7d}  0.0  0.{pid % 5} {pid * 37 % 90_000 + 2_000:6d} {pid * 11 % 9_000 + 900:5d} ?        "
            f"Ss   {day}   0:0{pid % 9} {command}\n"
            for name, pid, command in rows
        )
        return Outcome("USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\n" + body)
    body = "".join(
        f"{name:<8} {pid:7d} {0 if pid < 3 else 1:7d}  0 {day} ?        00:00:0{pid % 9} {command}\n"
        for name, pid, command in rows
    )
    return Outcome("UID          PID    PPID  C STIME TTY          TIME CMD\n" + body)


def uptime(machine: Machine, _words: list[str], _given: str) -> Outcome:
    """``uptime``."""
    seconds = machine.host.up_seconds(machine.now)
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:2d}:{rest // 60 % 60:02d}"
    return Outcome(
        f" {_moment(machine.now):%H:%M:%S} up {days} days, {clock},  0 users,  load average: 0.08, 0.03, 0.01\n"
    )


def date(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``date``, with ``+FORMAT``."""
    moment = _moment(machine.now)
    wanted = next((word[1:] for word in words if word.startswith("+")), "")
    if wanted:
        shown = wanted[:_MAX_FORMAT_CHARS].replace("%s", str(machine.now // SECOND))
        kept = re.sub(r"%(?![aAbBcdHIjmMpSUwWxXyYZ%FTDRe])", "%%", shown).replace("\0", "")
        return Outcome(moment.strftime(kept.encode("ascii", "ignore").decode()) + "\n")
    return Outcome(f"{moment:%a %b} {moment.day:2d} {moment:%H:%M:%S} UTC {moment.year}\n")


def df(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``df``: one disk."""
    size = 20_480_000 + int(machine.host.machine_id[:5], 16) * 16
    used = size // 5
    if "h" in flags(words):
        rows = f"/dev/vda1        {size >> 20}G  {used / (1 << 20):.1f}G   {(size - used) >> 20}G  21% /\n"
        return Outcome("Filesystem      Size  Used Avail Use% Mounted on\n" + rows)
    return Outcome(
        "Filesystem     1K-blocks    Used Available Use% Mounted on\n"
        f"/dev/vda1       {size:9d} {used:7d} {size - used:9d}  21% /\n"
    )


def mount(_machine: Machine, _words: list[str], _given: str) -> Outcome:
    """``mount``: what is mounted."""
    return Outcome(
        "sysfs on /sys type sysfs (rw,nosuid,nodev,noexec,relatime)\n"
        "proc on /proc type proc (rw,nosuid,nodev,noexec,relatime)\n"
        "/dev/vda1 on / type ext4 (rw,relatime,errors=remount-ro)\n"
        "tmpfs on /run type tmpfs (rw,nosuid,nodev,noexec,relatime,size=402028k,mode=755,inode64)\n"
    )


def _moment(now: int) -> datetime:
    return datetime.fromtimestamp(now // SECOND, UTC)


SYSTEM_COMMANDS: MappingProxyType[str, Run] = MappingProxyType(
    {
        "arch": say(lambda _: "x86_64"),
        "crontab": crontab,
        "date": date,
        "df": df,
        "env": env,
        "free": free,
        "groups": say(lambda machine: machine.user),
        "hostid": say(lambda machine: machine.host.machine_id[:8]),
        "hostname": say(lambda machine: machine.host.name),
        "id": identity,
        "logname": say(lambda machine: machine.user),
        "mount": mount,
        "nproc": say(lambda machine: machine.host.cores),
        "printenv": env,
        "ps": ps,
        "tty": say(lambda _: "not a tty"),
        "uname": uname,
        "uptime": uptime,
        "whoami": say(lambda machine: machine.user),
    }
)
"""Commands that tell of the machine."""
