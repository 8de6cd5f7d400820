"""What a value that we hand out may be: an expression that draws it, and a sample that an extractor is tried with.

A sample shows every kind of character that the expression draws, so an extractor that takes the sample takes whatever
is drawn.
"""

import re
from collections.abc import Iterator
from typing import Final

MIN_WIDTH = 5
MAX_WIDTH = 64
"""Characters of a value of which only so many are taken; a shorter one says nothing of whom it was given to."""
MIN_DIGEST = 12
"""From so many hexadecimal digits on, a value is one, and has their number."""

_USUAL: Final = (
    ("alnum(10)", b"zX%03dkQvWj"),
    ("digits(10)", b"9174%03d825"),
    ("hexes(16)", b"b7%03de4c91d05afc2"),
    ("uuid4()", b"5b0e7c1d-4a%02d-4f3e-9c6b-2d8a71e90f35"),
)
_WIDE: Final = (
    ("alnum", b"zX%03dkQvWj"),
    ("hexes", b"b7%03de4c91d05afc2"),
    ("digits", b"9174%03d825"),
)


def forms(natural: bytes, index: int) -> Iterator[tuple[str, bytes]]:
    """Expressions and samples, the likeliest first; at last the ``natural`` text itself, the same for everybody.

    ``natural`` is a text that the extractor's own pattern made, ``index`` a number that no other value's samples have.
    """
    width = len(natural)
    if width >= MIN_DIGEST and re.fullmatch(rb"[0-9a-f]+", natural):
        yield f"hexes({width})", _sample(b"b7%03de4c91d05afc2" % index, width)
    for issue, shape in _USUAL:
        yield issue, shape % index
    yield "letters(10)", _letters(index, 10)
    if MIN_WIDTH <= width <= MAX_WIDTH:
        for function, shape in _WIDE:
            yield f"{function}({width})", _sample(shape % index, width)
        yield f"letters({width})", _letters(index, width)
    yield "", natural


def _sample(shape: bytes, width: int) -> bytes:
    return (shape * MAX_WIDTH)[:width]


def _letters(index: int, width: int) -> bytes:
    return _sample(b"zx%ckqjvwqx" % (97 + index % 26), width)
