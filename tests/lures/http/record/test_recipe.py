"""What a recorded server is asked."""

from propolis.lures.http.record.recipe import HOST, get


def test_a_probe_asks_for_the_end_of_the_connection() -> None:
    asked = get("/x", "A: b", method="PUT")
    assert asked == f"PUT /x HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nA: b\r\n\r\n".encode()
