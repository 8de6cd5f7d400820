"""``rules push``, ``promote`` and ``rollback``: a signed rule to every detector, its trial, and how long that took."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from propolis.cli.backtest import kept
from propolis.cli.context import DEFAULT_CONFIG, ConfigPath, configured, who
from propolis.cli.push import Audience, publish
from propolis.cli.rules import look, rule_files
from propolis.clock import SystemClock
from propolis.detection.promotion import Promotion, join
from propolis.detection.rules import read
from propolis.errors import PropolisError
from propolis.flaws.publish import Published, Publisher
from propolis.flaws.signature import RULE
from propolis.flaws.standing import RULES

DETECTORS = Audience(RULE, "detect", RULES)
MAX_REASON = 300
"""Characters of a reason that are kept."""


def push(
    *files: Annotated[Path, Parameter(help="Rule files, or folders of them.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Sign rules, push them to every detector, and wait until each says that they are live.

    Their examples run first; if one fails nothing is pushed. A pushed rule is on trial: it finds, and what it finds
    causes nothing until `propolis rules promote`.
    """
    texts = {read(path).id: path.read_text(encoding="utf-8") for path in rule_files(files)}

    async def work(publisher: Publisher) -> list[Published]:
        return [await publisher.push(name, text) for name, text in texts.items()]

    publish(configured(config), work, DETECTORS)


def promote(
    id: Annotated[str, Parameter(help="A rule that was pushed and back-tested.")],  # noqa: A002 - the word an operator types
    /,
    *,
    reason: Annotated[str, Parameter(help="Why: it stays with the rule.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Let a pushed rule's findings count as its file says. Who did it, why, and the back-test stay with the version."""
    settings = configured(config)
    live = look(settings).live.get(id)
    if live is None or not live.text:
        raise PropolisError(f"{id}: nothing that was pushed is live; see `propolis rules list`")
    if not live.is_on_trial:
        raise PropolisError(f"{id}: version {live.version} is promoted already")
    if not reason.strip():
        raise PropolisError("--reason: say why")
    promotion = Promotion(
        by=who(),
        made=SystemClock().now(),
        reason=reason.strip()[:MAX_REASON],
        backtested=kept(settings, live.text),
    )

    async def work(publisher: Publisher) -> list[Published]:
        return [await publisher.push(id, join(live.text, promotion))]

    publish(settings, work, DETECTORS)


def rollback(
    *ids: Annotated[str, Parameter(help="Rules.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Undo the newest push or promotion of rules: what was before comes back, or what the files say."""
    if not ids:
        raise PropolisError("no rule was named; see `propolis rules list`")

    async def work(publisher: Publisher) -> list[Published]:
        return [await publisher.roll_back(name) for name in ids]

    publish(configured(config), work, DETECTORS)
