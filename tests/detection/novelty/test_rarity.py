import numpy as np

from propolis.detection.novelty.rarity import MANY, Rarity

COMMON = np.arange(20, dtype=np.uint64)


def test_what_comes_all_the_time_surprises_nobody() -> None:
    rarity = Rarity()
    for _ in range(500):
        rarity.add(COMMON)
    assert rarity.bits(COMMON) < 0.1
    assert rarity.bits(np.arange(1_000, 1_020, dtype=np.uint64)) > 8


def test_a_few_rare_tokens_among_common_ones_are_what_counts() -> None:
    rarity = Rarity()
    for _ in range(500):
        rarity.add(COMMON)
    mixed = np.concatenate([COMMON, np.arange(2_000, 2_008, dtype=np.uint64)])
    assert rarity.bits(mixed) > 8


def test_nothing_surprises_before_anything_was_seen() -> None:
    assert Rarity().bits(COMMON) == 1.0


def test_counts_are_halved_before_they_outgrow_memory() -> None:
    rarity = Rarity(texts=MANY - 1)
    rarity.counts[:20] = 1_000
    rarity.add(COMMON)
    assert rarity.texts == MANY // 2
    assert rarity.counts[0] == 500
