"""Sketches count what is different, and count alike in kernel and reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection.behaviours.keyed.sketch import (
    BITS,
    LINEAR,
    MOST,
    MOST_CROWD,
    REGISTERS,
    add,
    crowd,
    estimate,
    ones,
    register,
)


@given(word=st.integers(0, 2**64 - 1))
@settings(max_examples=60, deadline=None)
def test_bits_are_counted(word: int) -> None:
    assert ones(np.uint64(word)) == word.bit_count()


@pytest.mark.parametrize("things", [1, 5, 20, 60, 150])
def test_a_bitmap_counts_up_to_some_hundred(things: int) -> None:
    bits, chance = np.zeros((1, BITS // 64), np.uint64), np.random.default_rng(things)
    for thing in chance.integers(0, 1 << 63, things).astype(np.uint64):
        add(bits, 0, thing)
        assert not add(bits, 0, thing)
    counted = LINEAR[ones(bits[0, 0]) + ones(bits[0, 1])]
    assert things * 0.7 - 1 <= counted <= things * 1.3 + 1


def test_a_full_bitmap_says_its_most() -> None:
    assert LINEAR[BITS] == MOST
    assert (np.diff(LINEAR) > 0).all()


@pytest.mark.parametrize("things", [1, 30, 1_000, 100_000])
def test_registers_count_millions(things: int) -> None:
    registers, chance = np.zeros((1, REGISTERS), np.uint8), np.random.default_rng(things)
    for thing in chance.integers(0, 1 << 63, things).astype(np.uint64):
        register(registers, 0, thing)
    assert crowd(registers, 0) == estimate(registers[0])
    assert things * 0.6 - 1 <= crowd(registers, 0) <= things * 1.4 + 1


@given(values=st.lists(st.integers(0, 255), min_size=REGISTERS, max_size=REGISTERS))
@settings(max_examples=60, deadline=None)
def test_any_registers_are_read_alike(values: list[int]) -> None:
    registers = np.array([values], np.uint8)
    assert 0 <= crowd(registers, 0) == estimate(registers[0]) <= MOST_CROWD
