import pytest

from propolis.detection.attack import TACTICS, technique_of, techniques


def test_every_technique_stands_under_tactics_of_the_matrix() -> None:
    assert len(techniques()) > 200
    assert {tactic for one in techniques().values() for tactic in one.tactics} == set(TACTICS)


@pytest.mark.parametrize(
    ("name", "base"), [("T1190", "T1190"), ("T1110.001", "T1110"), ("T1059.004", "T1059")]
)
def test_a_sub_technique_belongs_to_its_technique(name: str, base: str) -> None:
    technique = technique_of(name)
    assert technique is not None
    assert technique.id == base


@pytest.mark.parametrize("name", ["", "T9999", "T1190.001", "T1110.999", "t1190", "T1190x"])
def test_what_is_no_technique_is_none(name: str) -> None:
    assert technique_of(name) is None
