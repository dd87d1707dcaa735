from __future__ import annotations

import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.losses.vocabulary import align_by_offsets, aligned_distance, universal_logit_distance


def test_positions_meet_where_the_same_text_was_read() -> None:
    #   student: un | believ | able | ! | (end)      teacher: (begin) | unbe | lievable | ! | (padding)
    ours = [(0, 2), (2, 8), (8, 12), (12, 13), (0, 0)]
    theirs = [(0, 0), (0, 4), (4, 12), (12, 13), (0, 0)]
    assert align_by_offsets(ours, theirs) == [(2, 2), (3, 3)]
    assert align_by_offsets(torch.tensor(ours), torch.tensor(theirs)) == [(2, 2), (3, 3)]
    assert align_by_offsets(ours, ours) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert align_by_offsets([], theirs) == []


def test_the_last_of_several_tokens_of_one_character_has_read_it() -> None:
    """As bytes of one character have all its span."""
    assert align_by_offsets([(0, 1), (0, 1), (0, 1), (1, 3)], [(0, 1), (1, 3)]) == [(2, 0), (3, 1)]


def test_spans_in_no_order_are_told() -> None:
    with pytest.raises(LimbeckError, match="teacher: token 1 ends at character 2, the one before at 4"):
        align_by_offsets([(0, 4)], [(0, 4), (1, 2)])


def test_sorted_probabilities_know_no_names() -> None:
    student = torch.randn(4, 6, dtype=torch.float64)
    shuffled = student[:, torch.randperm(6)]
    assert universal_logit_distance(student, shuffled).total < 1e-12
    wider = torch.cat([shuffled, torch.full((4, 3), -1e9, dtype=torch.float64)], -1)
    assert universal_logit_distance(student, wider).total < 1e-12


def test_aligned_positions_count_on_both_sides() -> None:
    offsets = torch.tensor([[[0, 1], [1, 2], [2, 3]]])
    mask, other = torch.tensor([[True, True, False]]), torch.tensor([[False, True, True]])
    student, teacher = torch.randn(1, 3, 4, requires_grad=True), torch.randn(1, 3, 6)
    found = aligned_distance(student, teacher, offsets, offsets, mask=mask, teacher_mask=other)
    assert float(found.count) == 1.0
    torch.testing.assert_close(found.total, universal_logit_distance(student[:, 1], teacher[:, 1]).total)
    nothing = aligned_distance(student, teacher, offsets, offsets + 7)
    nothing.total.backward()
    assert (float(nothing.count), float(nothing.total.detach())) == (0.0, 0.0)
    with pytest.raises(LimbeckError, match=r"teacher: got offsets \(1, 3, 2\) for logits \(1, 2, 6\)"):
        aligned_distance(student, teacher[:, :2], offsets, offsets)


def test_positions_that_differ_are_told() -> None:
    with pytest.raises(LimbeckError, match=r"student's positions are \(3,\), the teacher's \(4,\)"):
        universal_logit_distance(torch.zeros(3, 5), torch.zeros(4, 5))
