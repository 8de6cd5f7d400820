"""What is in the tree may be read by anybody: no place it was made at, no registry, no secret."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BANNED = {
    "a registry's host": r"pypi\.org|pythonhosted|deb\.debian\.org|registry\.npmjs|files\.python",
    "a folder of one machine": r"/(?:(?:work|root|tmp/w)/|home/[a-z])",
    "a merge left open": r"^(<{7}|>{7}) ",
    "a secret": r"-----BEGIN (OPENSSH|RSA|EC) PRIVATE KEY-----|AKIA[0-9A-Z]{16}",
}
TEXT = frozenset({".py", ".md", ".toml", ".yaml", ".yml", ".json", ".txt", ".html", ".css", ".js", ""})
LURES_OWN = ("src/propolis/lures/", "tests/lures/", "src/propolis/detection/rules/")
"""Decoys, their transcripts and the rules about them have an attacker's and a victim's paths in them."""
MAX_BYTES = 1_000_000


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    folders = ("src", "tests", "bench", "tools", "docs", "changelog.d")
    return [
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    ]


FILES = tracked()


@pytest.mark.parametrize("what", BANNED)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(BANNED[what], re.MULTILINE)
    found = [
        f"{name}: {match[0]}"
        for name in FILES
        if Path(name).suffix in TEXT and not name.startswith(LURES_OWN) and name != "tests/tree/test_words.py"
        for match in [pattern.search((ROOT / name).read_text(encoding="utf-8", errors="replace"))]
        if match
    ]
    assert found == []


def test_no_file_is_too_large_to_review() -> None:
    assert [name for name in FILES if (ROOT / name).stat().st_size > MAX_BYTES] == []


def test_nothing_private_is_tracked() -> None:
    assert [
        name for name in FILES if re.search(r"(^|/)(\.venv|var|__pycache__|\.hypothesis)/|\.pyc$", name)
    ] == []


def test_every_package_is_pinned_by_hash() -> None:
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    packages = re.findall(r"^[a-z0-9._-]+(?:\[[a-z,]+\])?==", pinned, re.MULTILINE)
    assert len(packages) > 50
    assert len(re.findall(r"==[^\n]+ \\\n +--hash=sha256:[0-9a-f]{64}", pinned)) == len(packages)
    assert "--index-url" not in pinned
