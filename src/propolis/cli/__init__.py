"""The command line. This table is all there is; a command is loaded when it is called, so a stage stays small."""

import os
import sys

from cyclopts import App

from propolis import __version__
from propolis.errors import PropolisError

COMMANDS: tuple[tuple[str, str, str, str], ...] = (
    # group, name, what it does, where it is
    ("Installation", "up", "Start everything on this host.", "propolis.cli.up:up"),
    ("Installation", "down", "Stop what `up` started.", "propolis.cli.up:down"),
    ("Installation", "status", "What runs here, and how it is.", "propolis.cli.up:status"),
    ("Installation", "check", "Validate the configuration file.", "propolis.cli.up:check"),
    (
        "Installation",
        "credential",
        "Let an enforcer or a sensor on another host in.",
        "propolis.cli.up:credential",
    ),
    ("Defence", "clock", "Mean time to defence, per path and stage.", "propolis.cli.clock:clock"),
    (
        "Defence",
        "drill",
        "Attack the running decoys over loopback and time the defence.",
        "propolis.cli.drill:drill",
    ),
    ("Defence", "why", "What is held of an address, and what makes it so.", "propolis.cli.why:why"),
    ("Defence", "hunt", "Ask every event ever seen, in SQL.", "propolis.cli.hunt:hunt"),
    ("Stages", "sensor", "Listen as decoys.", "propolis.cli.stages:sensor"),
    ("Stages", "detect", "Judge events.", "propolis.cli.stages:detect"),
    ("Stages", "decide", "Turn findings into decisions.", "propolis.cli.stages:decide"),
    ("Stages", "enforce", "Carry decisions out and read them back.", "propolis.cli.stages:enforce"),
    ("Stages", "archive", "Write every event to the lake.", "propolis.cli.stages:archive"),
    ("Stages", "console", "Serve the console and the API.", "propolis.cli.stages:console"),
)

LURES: tuple[tuple[str, str, str], ...] = (
    # name, what it does, where it is
    ("list", "Every lure that is live, and its hits.", "propolis.cli.lures:show"),
    ("show", "One lure, as the text of its file.", "propolis.cli.lures:describe"),
    ("test", "Run the tests that stand in lure files.", "propolis.cli.lures:test"),
    ("push", "Sign lures and push them to every sensor.", "propolis.cli.push:push"),
    ("rollback", "Undo the newest push of a lure.", "propolis.cli.push:rollback"),
    ("import", "Make lures of scanner templates.", "propolis.cli.lures:import_"),
    ("plan", "What each sensor pretends to run, and until when.", "propolis.cli.lures:plan"),
    ("keygen", "Make a key for signing lures.", "propolis.cli.lures:keygen"),
    ("draft", "Have a language model draft a lure from a CVE text.", "propolis.cli.draft:draft"),
)

NOVEL: tuple[tuple[str, str, str], ...] = (
    # name, what it does, where it is
    ("list", "What is new and spreading, most surprising first.", "propolis.cli.novel:show"),
    ("show", "One of them, with examples as they were sent.", "propolis.cli.novel:describe"),
    ("draft", "Write a rule or a lure of it.", "propolis.cli.novel:draft"),
)

RULES: tuple[tuple[str, str, str], ...] = (
    # name, what it does, where it is
    ("list", "Every rule that is live, and its hits.", "propolis.cli.rules:show"),
    ("test", "Run the examples that stand in rule files.", "propolis.cli.rules:test"),
    ("lint", "What a careful reader would say of rule files.", "propolis.cli.rules:lint"),
    ("explain", "A rule in words; with an event, which parts hold.", "propolis.cli.rules:explain"),
    ("backtest", "What a rule would have found in the events of the past.", "propolis.cli.backtest:backtest"),
    ("push", "Sign rules and push them to every detector, on trial.", "propolis.cli.promote:push"),
    ("promote", "Let a pushed rule's findings count.", "propolis.cli.promote:promote"),
    ("rollback", "Undo the newest push of a rule.", "propolis.cli.promote:rollback"),
    ("coverage", "Techniques of ATT&CK that are looked for.", "propolis.cli.rules:coverage"),
)

app = App(
    name="propolis",
    version=__version__,
    help="Decoys that attackers believe, and a defence that follows in milliseconds.",
)
decisions = App(name="decisions", help="What is held against whom, and why.", group="Defence")
defence = App(
    name="defence", help="The switch: shadow (only written down) or armed (carried out).", group="Defence"
)

lures = App(
    name="lures", help="Vulnerability lures: test them, push them to every sensor, go back.", group="Lures"
)

novel = App(name="novel", help="What is new and spreading that nobody has judged yet.", group="Defence")
rules = App(
    name="rules",
    help="Detection rules: test them on examples and the past, push them, go back.",
    group="Rules",
)

for group, name, what, where in COMMANDS:
    app.command(where, name=name, help=what, group=group)
for name in ("show", "add", "revoke", "why"):
    decisions.command(f"propolis.cli.decisions:{name}", name="list" if name == "show" else name)
defence.command("propolis.cli.decisions:arm", name="arm")
defence.command("propolis.cli.decisions:stand_down", name="stand-down")
for part, table in ((lures, LURES), (rules, RULES), (novel, NOVEL)):
    for name, what, where in table:
        part.command(where, name=name, help=what)
for part in (lures, rules, novel, decisions, defence):
    app.command(part)


def main() -> None:
    """Run a command; an operator's mistake is one line on standard error and exit code 2."""
    # Arrow's own pool keeps what batches once needed: 90 MB over all stages, and no faster here
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        app()
    except PropolisError as error:
        sys.stderr.write(f"propolis: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
