"""Every protocol lure there is."""

from propolis.lures.http import WebLure
from propolis.lures.lure import Lure
from propolis.lures.redis import RedisLure
from propolis.lures.ssh import SshLure
from propolis.lures.tcp import TcpLure
from propolis.lures.telnet import TelnetLure

CATALOGUE: tuple[type[Lure], ...] = (WebLure, RedisLure, SshLure, TcpLure, TelnetLure)
