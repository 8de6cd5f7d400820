from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hive import config_of, connected, running, serving, until
from lure_files import lure_text, write_lure
from propolis.clock import SECOND, ManualClock, SystemClock
from propolis.config import Config
from propolis.flaws import signature
from propolis.flaws.file import parse
from propolis.flaws.publish import Publisher
from propolis.flaws.shelf import Live
from propolis.flaws.standing import MAX_HITS
from propolis.sensors import flaws as module
from propolis.sensors.flaws import MAX_PUSHED_PRODUCTS, Flaws, open_flaws, pushed_products
from propolis.stream import Stream

SEED = bytes(range(16))
PORTS = (80, 8080)


@pytest_asyncio.fixture
async def stream(tmp_path: Path) -> AsyncIterator[Stream]:
    async with serving(tmp_path / "stream") as server, connected(server) as stream:
        yield stream


async def knowledge(
    config: Config, stream: Stream, seed: bytes = SEED, clock: ManualClock | None = None
) -> Flaws:
    return await open_flaws(config, stream, clock or ManualClock(), seed, ports=PORTS)


def with_lures(folder: Path, more: str = "") -> Config:
    """A configuration whose folder has products enough to choose from."""
    for number in range(12):
        write_lure(folder / "mine", f"product-{number}", product=f"product-{number}")
    return config_of(folder, text=f'[flaws]\npacks = "mine"\n{more}')


def cast(flaws: Flaws) -> dict[int, tuple[str, frozenset[str]]]:
    return {port: (flaws.server(port), flaws.plays(port)) for port in PORTS}


async def test_two_sensors_do_not_play_alike_and_one_stays_what_it_is(tmp_path: Path, stream: Stream) -> None:
    config = with_lures(tmp_path)
    one, again = await knowledge(config, stream), await knowledge(config, stream)
    assert cast(one) == cast(again)
    assert all(products for _, products in cast(one).values())
    others = [cast(await knowledge(config, stream, bytes([number]) * 16)) for number in range(3)]
    assert any(other != cast(one) for other in others)


async def test_what_is_played_changes_when_its_time_is_up(tmp_path: Path, stream: Stream) -> None:
    clock = ManualClock()
    flaws = await knowledge(with_lures(tmp_path, "rotate_seconds = 3600"), stream, clock=clock)
    ends = flaws.standing().rotates
    assert 0 < ends - clock.now() <= 3_600 * SECOND
    seen = [cast(flaws)]
    clock.jump(ends - clock.now() - 1)
    assert cast(flaws) == seen[0]
    for _ in range(4):
        clock.jump(3_600 * SECOND)
        seen.append(cast(flaws))
    assert any(later != seen[0] for later in seen)


async def test_sensors_do_not_change_on_the_same_day(tmp_path: Path, stream: Stream) -> None:
    config = with_lures(tmp_path)
    ends = {(await knowledge(config, stream, bytes([n]) * 16)).standing().rotates for n in range(1, 4)}
    assert len(ends) == 3


async def test_pinned_products_are_played_for_good(tmp_path: Path, stream: Stream) -> None:
    flaws = await knowledge(with_lures(tmp_path, 'products = ["product-3"]'), stream)
    assert all(flaws.plays(port) == {"product-3"} for port in (80, 8080, 9999))
    assert flaws.standing().rotates == 0


async def test_a_pushed_lure_s_product_is_played_at_once_where_it_is_found(
    tmp_path: Path, stream: Stream
) -> None:
    config = with_lures(tmp_path)
    private = signature.read_key(signature.ensure_own_key(config))
    publisher = Publisher(stream, private, [signature.public_text(private)], SystemClock())
    flaws = await knowledge(config, stream)
    assert "hive-box" not in flaws.plays(80)
    async with running(flaws.run()):
        await publisher.push("hive-box", lure_text(ports="[80]"))
        await until(lambda: "hive-box" in flaws.catalogue.flaws)
        assert "hive-box" in flaws.plays(80)
        assert "hive-box" not in flaws.plays(8080)
        assert flaws.standing().pushed == 1
        await publisher.roll_back("hive-box")
        await until(lambda: "hive-box" not in flaws.plays(80))


def test_only_the_products_of_the_newest_pushes_are_played_for_that() -> None:
    lures = [
        Live(parse(lure_text(f"l{n}", product=f"p{n // 2}", ports=f"[{n + 1}]"), "x"), "pushed", 1, n)
        for n in range(2 * MAX_PUSHED_PRODUCTS + 2)
    ]
    products = pushed_products([*lures, Live(parse(lure_text("file"), "x"), "folder")])
    assert set(products) == {f"p{n}" for n in range(1, MAX_PUSHED_PRODUCTS + 1)}
    assert products["p1"] == {3, 4}


def test_a_product_that_is_found_anywhere_is_played_anywhere() -> None:
    lures = [
        Live(parse(lure_text(f"l{n}", ports=ports), "x"), "pushed", 1, n)
        for n, ports in enumerate(("[1]", "[]"))
    ]
    assert pushed_products(lures) == {"hive-box": frozenset()}


async def test_the_heartbeat_says_what_is_played_and_what_was_asked_for(
    tmp_path: Path, stream: Stream
) -> None:
    flaws = await knowledge(with_lures(tmp_path), stream)
    for name in ("b", "a", "b"):
        flaws.recognised((name,))
    standing = flaws.standing()
    assert standing.hits == {"b": 2, "a": 1}
    assert [played.port for played in standing.cast] == [80, 8080]
    assert set(standing.cast[0].products) == flaws.plays(80)
    assert standing.live == len(flaws.catalogue.flaws)


async def test_what_is_counted_is_bounded(
    tmp_path: Path, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_COUNTED", MAX_HITS + 1)
    flaws = await knowledge(config_of(tmp_path), stream)
    for number in range(MAX_HITS + 10):
        flaws.recognised((str(number),))
    assert len(flaws.standing().hits) == MAX_HITS
    assert len(flaws._hits) == MAX_HITS + 1


async def test_all_workers_mint_with_one_key(tmp_path: Path, stream: Stream) -> None:
    config, source = config_of(tmp_path), bytes(16)
    one, two = await knowledge(config, stream), await knowledge(config, stream, b"another sensor..")
    minted = one.mint.mint("token", source)
    assert [found.value for found in two.mint.find(f"x {minted} y".encode())] == [minted]
