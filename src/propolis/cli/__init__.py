"""The command line. Every command is a plain function; this file lists them."""

import sys

from cyclopts import App

from propolis import __version__
from propolis.cli import clock, decisions, drill, hunt, stages, up
from propolis.cli.context import err
from propolis.errors import PropolisError

app = App(
    name="propolis",
    version=__version__,
    help="Decoys that attackers believe, and a defence that follows in milliseconds.",
)
up.register(app)
decisions.register(app)
app.command(clock.clock, group="Defence")
app.command(hunt.hunt, group="Defence")
app.command(drill.drill, group="Defence")
stages.register(app)


def main() -> None:
    """Run a command; an operator's mistake is one line on standard error and exit code 2."""
    try:
        app()
    except PropolisError as error:
        err.print(f"propolis: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
