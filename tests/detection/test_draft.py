import numpy as np

from propolis.detection.draft import EVIDENCE, Draft, cite, gather
from propolis.detection.trail import NOWHERE, Trail, follow


def drafts(hits: list[tuple[int, int]], slots: list[int], turned: tuple[int, ...] = (0,)) -> list[Draft]:
    begins = np.array([row in turned for row in range(len(slots))], np.bool_)
    return gather(hits, np.zeros((4, 1), np.uint64), np.array(slots, np.int32), begins)


def trail(counts: list[int]) -> Trail:
    scratch = np.full((2, 1), NOWHERE, np.int32)
    return follow(np.zeros(len(counts), np.int32), np.array(counts, np.int32), scratch)


def test_further_hits_add_to_the_draft() -> None:
    one, two = drafts([(0, 3), (0, 5), (1, 3), (3, 3)], [0, 0, 0, 0])
    assert (one.rule, one.rows, one.count, one.before) == (3, [0, 1, 3], 3, (0,))
    assert (two.rule, two.rows, two.count, two.before) == (5, [0], 1, (8,))


def test_a_source_that_begins_anew_is_reported_anew() -> None:
    assert [draft.rows for draft in drafts([(0, 1), (1, 1), (2, 1)], [0, 0, 0], turned=(0, 2))] == [
        [0, 1],
        [2],
    ]


def test_sources_are_kept_apart() -> None:
    assert [draft.slot for draft in drafts([(0, 1), (1, 1), (2, 1)], [2, 1, 2], turned=(0, 1))] == [2, 1]


def test_a_draft_cites_a_bounded_number_of_rows() -> None:
    (draft,) = drafts([(row, 0) for row in range(50)], [0] * 50)
    assert draft.rows == list(range(EVIDENCE))
    assert draft.count == 50


def test_a_count_that_began_here_is_cited_from_its_first_event() -> None:
    draft = Draft(0, 10, 0, [10], 1, (0,))
    cite(draft, trail(list(range(1, 12))), 11)
    assert draft.rows == [0, 4, 5, 6, 7, 8, 9, 10]
    assert (draft.count, draft.earlier) == (11, NOWHERE)


def test_a_count_that_began_in_an_earlier_batch_says_so() -> None:
    draft = Draft(0, 1, 0, [1], 1, (0,))
    cite(draft, trail([4, 5]), 5)
    assert (draft.rows, draft.earlier) == ([0, 1], 0)


def test_a_short_count_is_cited_whole() -> None:
    draft = Draft(0, 2, 0, [2], 1, (0,))
    cite(draft, trail([1, 2, 3]), 3)
    assert draft.rows == [0, 1, 2]
