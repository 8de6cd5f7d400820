"""Commands that would reach out: they fail as on a host without a way out. Nothing is ever connected to."""

import ipaddress
import re
from types import MappingProxyType

from propolis.machine.files import moment
from propolis.machine.machine import Machine
from propolis.machine.outcome import Outcome, Run, flags

_URL = re.compile(
    r"(?:(\w{2,8})://)?(?:[^@/\s]*@)?(\[[0-9A-Fa-f:.]+\]|[^/:?#\s]+)(?::(\d{1,5}))?(/\S*)?", re.ASCII
)
_VALUED = frozenset(
    {
        *("-O", "-o", "-P", "-T", "-t", "-U", "-H", "-X", "-d", "-A", "-e", "-m", "-u"),
        *("--output", "--data", "--header", "--connect-timeout", "--max-time"),
    }
)


_NO_URL = "wget: missing URL\nUsage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options.\n"


def _targets(words: list[str]) -> list[str]:
    """The operands of a downloader; options that take a value swallow it."""
    targets, is_value = [], False
    for word in words:
        if not is_value and not word.startswith("-"):
            targets.append(word)
        is_value = word in _VALUED
    return targets


def wget(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``wget`` of GNU: no route, or no such name."""
    targets = _targets(words)
    if not targets:
        return Outcome(
            err=_NO_URL,
            status=1,
        )
    found = _URL.match(targets[0])
    if found is None:
        return Outcome(err=f"{targets[0]}: Invalid host name.\n", status=1)
    scheme, name, path = found[1] or "http", found[2], found[4] or "/"
    port = found[3] or {"https": "443", "ftp": "21"}.get(scheme, "80")
    place = f"{name}:{found[3]}" if found[3] else name
    head = f"--{moment(machine.now):%Y-%m-%d %H:%M:%S}--  {scheme}://{place}{path}\n"
    is_quiet = "q" in flags([word for word in words if not word.startswith("--")]) or "--quiet" in words
    if _is_address(name):
        err = f"{head}Connecting to {name}:{port}... failed: Connection refused.\n"
    else:
        err = (
            f"{head}Resolving {name} ({name})... failed: Temporary failure in name resolution.\n"
            f"wget: unable to resolve host address \u2018{name}\u2019\n"
        )
    return Outcome(err="" if is_quiet else err, status=4)


def curl(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``curl``: a file of the machine, or no connection, or no such name."""
    targets = _targets(words)
    if not targets:
        return Outcome(err="curl: try 'curl --help' or 'curl --manual' for more information\n", status=2)
    if targets[0].startswith("file://"):
        text = machine.text_of(machine.resolve(targets[0].removeprefix("file://")))
        if text is not None:
            return Outcome(text)
        return Outcome(err=f"curl: (37) Couldn't open file {targets[0].removeprefix('file://')}\n", status=37)
    options = flags([word for word in words if not word.startswith("--")])
    is_quiet = ("s" in options and "S" not in options) or (
        "--silent" in words and "--show-error" not in words
    )
    found = _URL.match(targets[0])
    if found is None:
        return Outcome(
            err="" if is_quiet else "curl: (3) URL using bad/illegal format or missing URL\n", status=3
        )
    name, port = found[2], found[3] or ("443" if found[1] == "https" else "80")
    if _is_address(name):
        err, status = (
            f"curl: (7) Failed to connect to {name} port {port} after 0 ms: Couldn't connect to server\n",
            7,
        )
    else:
        err, status = f"curl: (6) Could not resolve host: {name}\n", 6
    return Outcome(err="" if is_quiet else err, status=status)


def ping(_machine: Machine, words: list[str], _given: str) -> Outcome:
    """``ping``: its own address answers, nobody else does."""
    name = next((word for word in reversed(words) if not word.startswith("-") and not word.isdecimal()), "")
    if not _is_address(name) and name != "localhost":
        return Outcome(err=f"ping: {name}: Temporary failure in name resolution\n", status=2)
    count = _count(words)
    address = "127.0.0.1" if name == "localhost" else name
    head = f"PING {name} ({address}) 56(84) bytes of data.\n"
    if not ipaddress.ip_address(address.strip("[]")).is_loopback:
        return Outcome(
            f"{head}\n--- {name} ping statistics ---\n{count} packets transmitted, 0 received, 100% packet loss, "
            f"time {max(0, count - 1) * 1023}ms\n\n",
            status=1,
        )
    rows = "".join(
        f"64 bytes from {address}: icmp_seq={n} ttl=64 time=0.0{23 + n % 20} ms\n"
        for n in range(1, count + 1)
    )
    return Outcome(
        f"{head}{rows}\n--- {name} ping statistics ---\n{count} packets transmitted, {count} received, 0% packet loss, "
        f"time {max(0, count - 1) * 1023}ms\nrtt min/avg/max/mdev = 0.023/0.031/0.042/0.008 ms\n"
    )


def _count(words: list[str]) -> int:
    found = re.search(r"-[cn]\s?(\d{1,3})", " ".join(words))
    return min(int(found[1]) if found else 4, 16)


def ifconfig(machine: Machine, _words: list[str], _given: str) -> Outcome:
    """``ifconfig``: one card and the loopback."""
    mac = machine.host.mac
    last = int(mac[-2:], 16) % 250 + 2
    received = machine.host.up_seconds(machine.now) * 3
    return Outcome(
        "eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500\n"
        f"        inet 10.0.2.{last}  netmask 255.255.255.0  broadcast 10.0.2.255\n"
        f"        ether {mac}  txqueuelen 1000  (Ethernet)\n"
        f"        RX packets {received}  bytes {received * 311} ({received * 311 / 1e6:.1f} MB)\n"
        "        RX errors 0  dropped 0  overruns 0  frame 0\n"
        f"        TX packets {received // 2}  bytes {received * 97} ({received * 97 / 1e6:.1f} MB)\n"
        "        TX errors 0  dropped 0 overruns 0  carrier 0  collisions 0\n\n"
        "lo: flags=73<UP,LOOPBACK,RUNNING>  mtu 65536\n"
        "        inet 127.0.0.1  netmask 255.0.0.0\n"
        "        loop  txqueuelen 1000  (Local Loopback)\n\n"
    )


def ip(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``ip addr`` and ``ip route``."""
    last = int(machine.host.mac[-2:], 16) % 250 + 2
    asked = next((word for word in words if not word.startswith("-")), "")
    if asked.startswith("r"):
        return Outcome(
            f"default via 10.0.2.1 dev eth0 onlink \n10.0.2.0/24 dev eth0 proto kernel scope link src 10.0.2.{last} \n"
        )
    if not asked.startswith(("a", "l")):
        return Outcome(err="Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }\n", status=255)
    return Outcome(
        "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000\n"
        "    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n"
        "    inet 127.0.0.1/8 scope host lo\n       valid_lft forever preferred_lft forever\n"
        "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default qlen 1000\n"
        f"    link/ether {machine.host.mac} brd ff:ff:ff:ff:ff:ff\n"
        f"    inet 10.0.2.{last}/24 brd 10.0.2.255 scope global eth0\n       valid_lft forever preferred_lft forever\n"
    )


def nslookup(_machine: Machine, _words: list[str], _given: str) -> Outcome:
    """``nslookup`` and ``host``: no server answers."""
    return Outcome(
        ";; communications error to 1.1.1.1#53: timed out\n;; no servers could be reached\n\n", status=1
    )


def netstat(_machine: Machine, _words: list[str], _given: str) -> Outcome:
    """``netstat`` and ``ss``: what listens."""
    return Outcome(
        "Active Internet connections (only servers)\n"
        "Proto Recv-Q Send-Q Local Address           Foreign Address         State      \n"
        "tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN     \n"
        "tcp        0      0 0.0.0.0:80              0.0.0.0:*               LISTEN     \n"
    )


def refused(_machine: Machine, _words: list[str], _given: str) -> Outcome:
    """``nc`` and its kin: nobody is there."""
    return Outcome(status=1)


def unanswered(_machine: Machine, _words: list[str], _given: str) -> Outcome:
    """``tftp``: nothing comes back."""
    return Outcome("Transfer timed out.\n\n")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


NETWORK_COMMANDS: MappingProxyType[str, Run] = MappingProxyType(
    {
        "curl": curl,
        "ifconfig": ifconfig,
        "ip": ip,
        "nc": refused,
        "ncat": refused,
        "netcat": refused,
        "netstat": netstat,
        "nslookup": nslookup,
        "ping": ping,
        "tftp": unanswered,
        "wget": wget,
    }
)
"""Commands that would reach out, and those that tell of the network."""
