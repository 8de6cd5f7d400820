"""``python -m propolis.lures.http.record [NAME ...]``: start the real servers and write down what they say."""

import sys
from collections.abc import Callable

import msgspec

from propolis.clock import SystemClock
from propolis.lures.http.record import written
from propolis.lures.http.record.apache import recipe as apache
from propolis.lures.http.record.busybox import recipe as busybox
from propolis.lures.http.record.express import recipe as express
from propolis.lures.http.record.jetty import recipe as jetty
from propolis.lures.http.record.lighttpd import recipe as lighttpd
from propolis.lures.http.record.mini_httpd import recipe as mini_httpd
from propolis.lures.http.record.nginx import recipe as nginx
from propolis.lures.http.record.python import recipe as python
from propolis.lures.http.record.recipe import Recipe, record
from propolis.lures.http.record.tomcat import recipe as tomcat
from propolis.lures.http.server import Persona
from propolis.lures.persona import FOLDER

RECIPES: dict[str, Callable[[], Recipe]] = {
    "nginx": nginx,
    "apache": apache,
    "lighttpd": lighttpd,
    "tomcat": tomcat,
    "jetty": jetty,
    "express": express,
    "python": python,
    "busybox": busybox,
    "mini_httpd": mini_httpd,
}
"""The servers that can be started."""
WRITTEN: dict[str, Callable[[], Persona]] = {
    "iis": written.iis,
    "boa": written.boa,
    "goahead": written.goahead,
}
"""The others."""


def persona(name: str) -> Persona:
    """The persona of this server, recorded now; ``KeyError`` if there is none of that name."""
    return WRITTEN[name]() if name in WRITTEN else record(RECIPES[name](), SystemClock())


def main(names: list[str]) -> None:
    """Write the personas named, or all of them."""
    for name in names or [*RECIPES, *WRITTEN]:
        found = msgspec.json.encode(persona(name))
        (FOLDER / "http" / f"{name}.json").write_bytes(msgspec.json.format(found, indent=1) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
