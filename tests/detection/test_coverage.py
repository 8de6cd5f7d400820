from propolis.detection.attack import TACTICS
from propolis.detection.coverage import coverage


def test_rules_and_lures_of_a_technique_stand_under_each_of_its_tactics_with_their_hits() -> None:
    matrix = coverage(
        [("guess", "T1110.001"), ("run", "T1059.004"), ("odd", "T9999"), ("none", "")],
        [("shop", "T1190"), ("admin", "T1110")],
        {"guess": 3, "admin": 4, "shop": 1, "elsewhere": 9},
    )
    assert [tactic.name for tactic in matrix] == list(TACTICS)
    covered = {tactic.name: [one for one in tactic.techniques if one.is_covered] for tactic in matrix}
    (brute,) = covered["credential-access"]
    assert (brute.id, brute.rules, brute.lures, brute.hits) == ("T1110", ("guess",), ("admin",), 7)
    assert [(one.id, one.hits) for one in covered["initial-access"]] == [("T1190", 1)]
    assert {tactic.name: tactic.covered for tactic in matrix}["execution"] == 1
    assert sum(tactic.covered for tactic in matrix) == 3
