from propolis.flaws.cast import MAX_PRODUCTS, SERVERS, Cast, Product, products
from propolis.flaws.file import Case, Flaw, Step
from propolis.flaws.file import Tests as Examples
from propolis.flaws.index import Catalogue

TESTS = Examples(match=(Case(request="GET / HTTP/1.1\n\n"),), miss=("GET / HTTP/1.1\n\n",))


def flaw(name: str, product: str, server: str = "", *ports: int) -> Flaw:
    step = Step(id="s", match={"path": f"/{name}"})
    return Flaw(id=name, name=name, product=product, server=server, ports=ports, steps=(step,), tests=TESTS)


MANY = [
    flaw(f"f{number}", f"p{number}", ("nginx", "apache", "tomcat", "")[number % 4]) for number in range(40)
]
MANY += [flaw("yarn", "hadoop-yarn", "jetty", 8088), flaw("bmc", "bmc", "lighttpd", 443, 8443)]
CATALOGUE = Catalogue(MANY)
BY_NAME = {product.name: product for product in products(MANY)}


def seed_of(kind: str) -> bytes:
    """A sensor of this kind."""
    return next(seed for n in range(256) if Cast(CATALOGUE, seed := bytes([n]), 0).kind == kind)


def test_what_a_port_plays_is_believable() -> None:
    for seed in range(20):
        cast = Cast(CATALOGUE, bytes([seed]), 0)
        for port in (80, 443, 8080, 8088):
            played = cast.plays(port)
            assert 0 < len(played) <= MAX_PRODUCTS
            for name in played:
                assert BY_NAME[name].server in ("", cast.server(port))
                assert not BY_NAME[name].ports or port in BY_NAME[name].ports


def test_all_ports_of_a_host_are_of_one_kind() -> None:
    many = [flaw(f"f{n}", f"p{n}", server) for n, server in enumerate(("nginx", "iis", "boa", "tomcat") * 9)]
    known = {product.name: product for product in products(many)}
    kinds = set()
    for seed in range(40):
        cast = Cast(Catalogue(many), bytes([seed]), 0)
        kinds.add(cast.kind)
        for port in (80, 443, 8_080):
            assert cast.plays(port)
            assert all(cast.kind in known[name].kinds for name in cast.plays(port))
    assert kinds == {"unix", "windows", "device"}


def test_a_product_that_lives_on_a_port_is_played_there() -> None:
    cast = Cast(CATALOGUE, b"seed", 7)
    assert "hadoop-yarn" in cast.plays(8088)
    assert cast.server(8088) == "jetty"
    assert "hadoop-yarn" not in cast.plays(80)


def test_the_same_seed_and_epoch_are_the_same_cast_and_others_are_not() -> None:
    def play(seed: bytes, epoch: int) -> list[tuple[str, frozenset[str]]]:
        cast = Cast(CATALOGUE, seed, epoch)
        return [(cast.server(port), cast.plays(port)) for port in range(80, 100)]

    assert play(b"a", 0) == play(b"a", 0)
    assert play(b"a", 0) != play(b"b", 0)
    assert play(b"a", 0) != play(b"a", 1)


def test_a_new_product_changes_only_what_it_wins() -> None:
    unix = seed_of("unix")
    before, after = Cast(CATALOGUE, unix, 0), Cast(CATALOGUE.replace([flaw("new", "new")]), unix, 0)
    changed = [port for port in range(1_000, 1_200) if before.plays(port) != after.plays(port)]
    assert 0 < len(changed) < 100
    assert all("new" in after.plays(port) for port in changed)


def test_pinned_products_are_played_everywhere_and_alone() -> None:
    cast = Cast(CATALOGUE, b"s", 0, pinned=["hadoop-yarn", "p3", "p7", "p11"])
    assert cast.plays(80) == cast.plays(8088) == {"hadoop-yarn", "p3", "p7", "p11"}
    assert cast.server(80) == "jetty"
    assert Cast(CATALOGUE, b"s", 0, pinned=["p3"]).server(80) in SERVERS


def test_without_lures_there_is_a_server_all_the_same() -> None:
    cast = Cast(Catalogue(), seed_of("unix"), 0, servers=("lighttpd",))
    assert cast.plays(80) == frozenset()
    assert cast.server(80) == "lighttpd"
    assert Cast(Catalogue(), seed_of("windows"), 0).server(80) == "iis"


def test_products_are_what_their_flaws_say_together() -> None:
    assert products(
        [flaw("a", "x", "nginx", 80), flaw("b", "x", "", 81), flaw("c", "y", "iis", 80), flaw("d", "y")]
    ) == (Product("x", "nginx", frozenset({80, 81})), Product("y", "iis", frozenset()))
