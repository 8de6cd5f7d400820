"""Files whose text depends on the machine, and some that every machine has; in the words of Debian 12."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Protocol

from propolis.clock import SECOND
from propolis.machine.host import Host


class Place(Protocol):
    """What a text may be made from."""

    host: Host
    user: str
    now: int
    home: str

    @property
    def variables(self) -> dict[str, str]:
        """The environment."""
        ...


def _cpuinfo(place: Place) -> str:
    host = place.host
    vendor = "GenuineIntel" if "Intel" in host.cpu else "AuthenticAMD"
    core = f"vendor_id\t: {vendor}\nmodel name\t: {host.cpu}\ncpu cores\t: {host.cores}\n\n"
    return "".join(f"processor\t: {number}\n{core}" for number in range(host.cores))


def _meminfo(place: Place) -> str:
    total = place.host.memory_kib
    rows = {"MemTotal": total, "MemFree": total // 7, "MemAvailable": total * 4 // 5, "Buffers": total // 40}
    return "".join(f"{name + ':':<15}{value:9d} kB\n" for name, value in rows.items())


def _version(place: Place) -> str:
    host = place.host
    return (
        f"Linux version {host.kernel} (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0, "
        f"GNU ld (GNU Binutils for Debian) 2.40) {host.build}\n"
    )


def _hosts(place: Place) -> str:
    return (
        f"127.0.0.1\tlocalhost\n127.0.1.1\t{place.host.name}\n\n"
        "# The following lines are desirable for IPv6 capable hosts\n"
        "::1     localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
    )


def _environ(place: Place) -> str:
    return "".join(f"{name}={value}\0" for name, value in place.variables.items())


def _uptime(place: Place) -> str:
    seconds = place.host.up_seconds(place.now)
    return f"{seconds}.{place.now // 10_000_000 % 100:02d} {seconds * place.host.cores * 9 // 10}.17\n"


def _shadow(place: Place) -> str:
    """Nobody but the superuser has a password, and nobody knows which: its hash is of noise."""
    salt, digest = place.host.machine_id[:16], place.host.machine_id * 3
    letters = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    sealed = "".join(
        letters[(int(digit, 16) * 5 + place_ * 11) % 64] for place_, digit in enumerate(digest[:86])
    )
    days = 19_000 + int(place.host.machine_id[:3], 16) % 700
    names = (
        "daemon",
        "bin",
        "sys",
        "sync",
        "games",
        "man",
        "lp",
        "mail",
        "news",
        "uucp",
        "proxy",
        "www-data",
    )
    return f"root:$6${salt}${sealed}:{days}:0:99999:7:::\n" + "".join(
        f"{name}:*:{days}:0:99999:7:::\n" for name in (*names, "backup", "list", "irc", "_apt", "nobody")
    )


def _group(place: Place) -> str:
    rows = {
        "root": 0,
        "daemon": 1,
        "bin": 2,
        "sys": 3,
        "adm": 4,
        "tty": 5,
        "disk": 6,
        "lp": 7,
        "mail": 8,
        "news": 9,
    }
    rows |= {
        "uucp": 10,
        "man": 12,
        "proxy": 13,
        "sudo": 27,
        "www-data": 33,
        "backup": 34,
        "users": 100,
        "nogroup": 65534,
    }
    del place
    return "".join(f"{name}:x:{number}:\n" for name, number in rows.items())


def _status(place: Place) -> str:
    del place
    return "Name:\tcat\nUmask:\t0022\nState:\tR (running)\nTgid:\t1412\nNgid:\t0\nPid:\t1412\nPPid:\t1411\n"


def _crontab(place: Place) -> str:
    del place
    return (
        "SHELL=/bin/sh\nPATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin\n\n"
        "17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n"
        "25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }\n"
        "47 6\t* * 7\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.weekly; }\n"
        "52 6\t1 * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.monthly; }\n"
    )


TEXTS: Mapping[str, Callable[[Place], str]] = MappingProxyType(
    {
        "/etc/crontab": _crontab,
        "/etc/group": _group,
        "/etc/hosts": _hosts,
        "/etc/machine-id": lambda place: f"{place.host.machine_id}\n",
        "/etc/resolv.conf": lambda _: "nameserver 1.1.1.1\nnameserver 9.9.9.9\n",
        "/etc/shadow": _shadow,
        "/etc/shells": lambda _: (
            "# /etc/shells: valid login shells\n/bin/sh\n/bin/bash\n/usr/bin/bash\n/bin/dash\n"
        ),
        "/etc/timezone": lambda _: "Etc/UTC\n",
        "/proc/cmdline": lambda place: (
            f"BOOT_IMAGE=/boot/vmlinuz-{place.host.kernel} root=/dev/vda1 ro quiet\n"
        ),
        "/proc/cpuinfo": _cpuinfo,
        "/proc/loadavg": lambda _: "0.08 0.03 0.01 1/142 1412\n",
        "/proc/meminfo": _meminfo,
        "/proc/self/cmdline": lambda _: "cat\0/proc/self/cmdline\0",
        "/proc/self/environ": _environ,
        "/proc/self/status": _status,
        "/proc/sys/kernel/hostname": lambda place: f"{place.host.name}\n",
        "/proc/uptime": _uptime,
        "/proc/version": _version,
        "/sys/class/net/eth0/address": lambda place: f"{place.host.mac}\n",
    }
)
"""Texts by path."""

PRIVATE = frozenset({"/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/sudoers", "/proc/1/environ"})
"""What only the superuser may read."""

FOLDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "/proc": (
            "1",
            "cmdline",
            "cpuinfo",
            "loadavg",
            "meminfo",
            "mounts",
            "self",
            "stat",
            "uptime",
            "version",
        ),
        "/var/www": ("html",),
    }
)
"""Names in folders that were not recorded."""


def moment(now: int) -> datetime:
    """UTC nanoseconds as a date."""
    return datetime.fromtimestamp(now // SECOND, UTC)
