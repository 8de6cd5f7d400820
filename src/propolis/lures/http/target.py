"""What a request target asks for: the path as nginx resolves it (RFC 3986, 5.2.4 and 6.2.2), or that it has none."""

import re

_SCHEME_AND_AUTHORITY = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")


def resolve(target: bytes) -> bytes | None:
    """The path, unescaped, without dot segments and doubled slashes; ``None`` for one that nginx refuses.

    Refused are: a broken escape, an escaped NUL, and a climb above the root.
    """
    if target[:1] != b"/":
        target = _SCHEME_AND_AUTHORITY.sub(b"", target, count=1)
        if target[:1] != b"/":
            target = b"/" + target
    path = target.partition(b"?")[0]
    if b"%" not in path and b"/." not in path and b"//" not in path and b"#" not in path:
        return path
    path = path.partition(b"#")[0]
    if any(escape[1] is None or escape[1] == b"00" for escape in _ESCAPE.finditer(path)):
        return None
    return _without_dots(_ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), path))


def _without_dots(path: bytes) -> bytes | None:
    segments = path.split(b"/")
    kept: list[bytes] = []
    for segment in segments[1:]:
        if segment == b"..":
            if not kept:
                return None
            kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    is_folder = segments[-1] in (b"", b".", b"..") and kept
    return b"/" + b"/".join(kept) + (b"/" if is_folder else b"")
