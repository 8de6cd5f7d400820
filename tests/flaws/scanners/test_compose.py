"""Bodies that hold given pieces."""

import json

from propolis.flaws.scanners.compose import compose, is_json, shapes


def test_every_shape_holds_its_pieces() -> None:
    pieces = [b"uid=0", b"<b>x</b>"]
    for shape in shapes(pieces, b""):
        body = compose(shape, pieces, "Demo")
        assert all(piece in body for piece in pieces)


def test_json_is_known() -> None:
    assert is_json([b'{"a":1}'])
    assert not is_json([b"<p>"])
    body = compose(shapes([b'"a":1'], b"application/json")[0], [b'"a":1'], "Demo")
    assert json.loads(body)["a"] == 1
