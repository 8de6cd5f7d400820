import subprocess
import sys

import pytest


@pytest.mark.parametrize("absent", ["aiohttp", "rich"])
def test_a_stage_does_not_load_what_it_does_not_need(absent: str) -> None:
    code = f"import sys, propolis.stream; print({absent!r} in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


@pytest.mark.parametrize("code", ["import {0}, propolis.stream", "import propolis.stream, {0}"])
@pytest.mark.parametrize("absent", ["aiohttp", "rich"])
def test_who_needs_it_still_gets_it(absent: str, code: str) -> None:
    code = f"{code.format(absent)}; print({absent}.__name__)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == absent
