"""What every test shares: who may run what, and why something was skipped."""

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() == 0:
        return
    skip = pytest.mark.skip(reason="needs root (network namespaces, low ports or a system program)")
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(skip)
