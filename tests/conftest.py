"""What every test shares: who may run what, and why something was skipped."""

import os
from typing import Any

import msgspec
import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() == 0:
        return
    skip = pytest.mark.skip(reason="needs root (network namespaces, low ports or a system program)")
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def ocsf() -> Any:
    """``ocsf(class_name, event)`` validates against OCSF 1.7 and refuses attributes the class does not have."""
    from ocsf.v1_7_0 import events  # noqa: PLC0415 - half a second that only its users pay

    # pydantic-ocsf makes classes on demand and lets the remediation classes' status_id leak into all made after them
    for name in ("NetworkActivity", "HttpActivity", "SshActivity", "Authentication", "DatastoreActivity"):
        getattr(events, name)
    for name in ("ProcessActivity", "DetectionFinding", "NetworkRemediationActivity"):
        getattr(events, name)

    def validate(class_name: str, event: dict[str, Any]) -> None:
        model = getattr(events, class_name).model_validate_json(msgspec.json.encode(event))
        _no_strangers(model, class_name)

    return validate


def _no_strangers(value: Any, where: str) -> None:
    if isinstance(value, list):
        for item in value:
            _no_strangers(item, where)
    elif hasattr(type(value), "model_fields") and type(value).__name__ != "Object":  # Object is free-form
        assert not value.model_extra, f"{where} has no {sorted(value.model_extra)}"
        for name in type(value).model_fields:
            _no_strangers(getattr(value, name), f"{where}.{name}")
