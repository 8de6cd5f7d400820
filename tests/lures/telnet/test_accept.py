from propolis.lures.telnet.accept import is_accepted


def opened(seed: bytes, source: str) -> set[tuple[str, str]]:
    pairs = [
        (user, word)
        for user in ("root", "admin", "guest")
        for word in ("admin", "1234", "xc3511", "vizxv", "root")
    ]
    return {pair for pair in pairs if is_accepted(seed, source, *pair)}


def test_what_worked_works_again_and_differs_between_hosts_and_sources() -> None:
    found = [opened(seed, source) for seed in (b"a", b"b") for source in ("198.51.100.1", "198.51.100.2")]
    assert found == [
        opened(seed, source) for seed in (b"a", b"b") for source in ("198.51.100.1", "198.51.100.2")
    ]
    assert len({frozenset(pairs) for pairs in found}) > 1


def test_strong_passwords_and_strange_names_never_work() -> None:
    sources = [f"198.51.100.{host}" for host in range(250)]
    assert not any(is_accepted(b"s", source, "root", "correct horse battery staple") for source in sources)
    assert not any(is_accepted(b"s", source, "alice", "1234") for source in sources)
    assert any(is_accepted(b"s", source, "root", "xc3511") for source in sources)


def test_long_seeds_and_odd_text_are_taken() -> None:
    is_accepted(b"s" * 200, "::1", "root", "root")
    is_accepted(b"", "", "root", "root")
