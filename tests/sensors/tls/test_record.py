"""The recorded profiles are what the real servers of this machine are."""

import shutil

import msgspec
import pytest

from propolis.sensors.tls import load
from propolis.sensors.tls.record import SERVERS, record


@pytest.mark.root
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # whether old versions are spoken is asked as well
@pytest.mark.parametrize("name", sorted(SERVERS))
def test_a_recording_is_what_was_recorded(name: str) -> None:
    program = SERVERS[name].command[0]
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    kept, now = load(name), record(name)
    assert msgspec.structs.replace(now, recorded=kept.recorded, product=kept.product) == kept
