"""Questions in another notation."""

import random

from vsr.training.notation import latex, plain, rewritten


def test_latex_is_left_out_with_its_commands() -> None:
    assert plain("求 $v=3 \\mathrm{m/s}$ 时的动能") == "求 v=3 m/s 时的动能"


def test_formulas_of_a_chinese_text_are_put_between_signs_that_can_be_left_out_again() -> None:
    text = "质量为2kg的物体以3m/s运动"
    marked = [latex(text, random.Random(seed)) for seed in range(20)]
    assert any("$" in one for one in marked)
    assert all(plain(one).replace(" ", "") == text for one in marked)


def test_a_chemical_formula_gets_its_subscripts() -> None:
    assert any("H_{2}O" in latex("加入H2O后", random.Random(seed)) for seed in range(10))


def test_an_english_text_without_latex_stays_as_it_is() -> None:
    assert {rewritten("It costs 5 dollars.", "en", random.Random(seed)) for seed in range(10)} == {
        "It costs 5 dollars."
    }


def test_some_texts_of_either_notation_stay_and_some_change() -> None:
    for text in ("速度为3m/s", "速度为$3$m/s"):
        said = {rewritten(text, "zh", random.Random(seed)) for seed in range(30)}
        assert text in said
        assert len(said) > 1
