"""Methods by name, and what is said of wrong settings."""

from __future__ import annotations

import pytest

from limbeck.errors import LimbeckError
from limbeck.methods.find import make_method, named_methods


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "tiad"}, "there is no 'tiad'; did you mean 'taid'"),
        ({"name": ["logits"]}, "there is no ['logits']"),
        ({"name": "taid", "alfa": 1}, "method taid: unknown key 'alfa'; did you mean 'alpha'"),
        ({"name": "taid", "alpha": "much"}, "method taid.alpha: got 'much'"),
        ({"name": "taid", "t_start": 0.9, "t_end": 0.5}, "method taid: t_start (0.9) is greater than t_end (0.5)"),
        ({"name": "logits", "divergence": "forwrd_kl"}, "there is no 'forwrd_kl'; did you mean 'forward_kl'"),
        ({"name": "logits", "options": {"skew": 0.1}}, "forward_kl has no option 'skew'"),
        ({"name": "hidden"}, "method hidden: 'pairs' is missing"),
    ],
)
def test_wrong_settings_are_told(settings: dict[str, object], message: str) -> None:
    with pytest.raises(LimbeckError) as caught:
        make_method(settings)
    assert message in str(caught.value)


def test_every_named_method_cites_its_paper() -> None:
    assert all("arXiv" in method.reference for method in named_methods().values())
