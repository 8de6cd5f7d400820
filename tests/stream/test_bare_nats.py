import subprocess
import sys


def test_a_stage_does_not_load_what_it_does_not_need() -> None:
    code = "import sys, propolis.stream; print('aiohttp' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_who_needs_aiohttp_still_gets_it() -> None:
    code = "import aiohttp, propolis.stream; import aiohttp; print(aiohttp.__name__)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "aiohttp"
