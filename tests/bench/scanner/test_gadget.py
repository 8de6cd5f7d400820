import base64
import gzip

from bench.scanner.gadget import java

MAGIC = b"\xac\xed\x00\x05"


def test_a_lookup_is_a_map_with_a_url() -> None:
    data = java("dns", "http://x.example.net", "raw").encode("latin-1")
    assert data.startswith(MAGIC)
    assert b"java.util.HashMap" in data
    assert b"java.net.URL" in data
    assert b"x.example.net" in data


def test_every_coding_holds_the_same_object() -> None:
    raw = java("commons-collections3.1", "id", "raw").encode("latin-1")
    assert b"InvokerTransformer" in raw
    assert bytes.fromhex(java("commons-collections3.1", "id", "hex")) == raw
    assert base64.b64decode(java("commons-collections3.1", "id", "base64-raw")) == raw
    assert base64.b64decode(java("commons-collections3.1", "id", "base64").replace("%2B", "+")) == raw
    assert gzip.decompress(base64.b64decode(java("commons-collections3.1", "id", "gzip-base64"))) == raw
