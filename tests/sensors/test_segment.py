import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.sensors import segment as module
from propolis.sensors.segment import Segment

SMALL = 64


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.binary(min_size=1, max_size=50) | st.integers(0, 200), max_size=12),
)
def test_a_segment_is_what_was_written_less_what_was_cut(
    tmp_path_factory: pytest.TempPathFactory, steps: list[bytes | int]
) -> None:
    path = tmp_path_factory.mktemp("segment") / "0.journal"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAPPED_BYTES", SMALL)
        segment, wanted = Segment(path), b""
        for step in steps:
            if isinstance(step, bytes):
                segment.write(step)
                wanted += step
            else:
                wanted = wanted[: min(step, len(wanted))]
                segment.cut(len(wanted))
            assert segment.size == len(wanted)
            written = path.read_bytes()
            assert written[: len(wanted)] == wanted
            assert not written[len(wanted) :].strip(b"\0")
        segment.close()
    assert path.read_bytes() == wanted
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_killed_process_leaves_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "0.journal"
    child = os.fork()
    if not child:
        Segment(path).write(b"seen")
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert path.read_bytes().rstrip(b"\0") == b"seen"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.root
def test_a_disk_without_room_for_the_map_is_written_as_far_as_it_goes(small_disk: Path) -> None:
    segment = Segment(small_disk / "0.journal")
    segment.write(b"a" * 1_000)
    with pytest.raises(OSError, match="No space left"):
        segment.write(b"b" * 1_000_000)
    assert segment.size == 1_000
    segment.write(b"c")
    segment.close()
    assert (small_disk / "0.journal").read_bytes() == b"a" * 1_000 + b"c"
    assert shutil.disk_usage(small_disk).free > 200_000
