"""One response that has everything a way wants of it."""

from propolis.flaws.scanners.document import load
from propolis.flaws.scanners.nuclei import read
from propolis.flaws.scanners.story import tell
from templates import TEMPLATE


def test_a_response_has_what_is_wanted() -> None:
    (scene,) = tell(read(load(TEMPLATE))).scenes
    (exchange,) = scene.exchanges
    assert exchange.response.status == 200
    assert exchange.response.body
