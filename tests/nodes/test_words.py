from __future__ import annotations

import pytest

from nodes.words import plain


@pytest.mark.parametrize(
    "text",
    ["(red:1.5) heart", "a (red heart:1.2)", "((red):1.4)", "((red:1.1) heart:2)", "(red: 2)", "(x:-1)", "(x:.5)"],
)
def test_weights_are_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"gives words a weight, \("):
        plain(text)


@pytest.mark.parametrize(
    "text", ["", "(3:2)", "at (10:30)", "a (red) heart", "red:1.5", "((very) red)", "(a: b)", "in (16:9) format", ":)"]
)
def test_parentheses_without_a_weight_are_text(text: str) -> None:
    assert plain(text) == text


def test_escaped_parentheses_are_text() -> None:
    assert plain(r"a heart \(red:1.5\)") == "a heart (red:1.5)"


def test_embeddings_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="embedding:easynegative, an embedding of Stable Diffusion"):
        plain("cat, embedding:easynegative")
