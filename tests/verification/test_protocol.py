from __future__ import annotations

from pathlib import Path

import pytest

from conceptx.errors import InputError
from conceptx.induction.problem import OBJECTIVES as SEARCHED
from conceptx.verification.protocol import OBJECTIVES, PROTOCOLS, Protocol, load_protocol


def test_protocols_are_plain_data_that_can_be_written_and_read_again() -> None:
    for protocol in PROTOCOLS.values():
        assert Protocol(**protocol.to_dict()) == protocol
        assert load_protocol(protocol.name) is protocol
    assert load_protocol(PROTOCOLS["conceptx"]) is PROTOCOLS["conceptx"]


def test_the_published_numbers_are_in_the_words() -> None:
    words = " ".join(PROTOCOLS["dalal2024"].describe())
    for number in (
        "at least 80 % of the unit's maximum",
        "at most 20 %",
        "at most 2 classes",
        "coverage",
        "one-tailed",
    ):
        assert number in words
    assert PROTOCOLS["dalal2024"].evaluation_share == pytest.approx(0.8)
    words = " ".join(PROTOCOLS["conceptx"].describe())
    for part in (
        "0 %, 20 %, 40 %, 60 %",
        "q is below 0.05",
        "noise floor",
        "100 shuffled units",
        "fewer than 8 targets",
    ):
        assert part in words


def test_every_sentence_is_one_and_says_something_of_its_own() -> None:
    for protocol in PROTOCOLS.values():
        sentences = protocol.describe()
        assert len(set(sentences)) == len(sentences)
        assert all(s[0].isupper() and s.endswith(".") and "  " not in s for s in sentences)


def test_a_third_protocol_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "strict.toml"
    path.write_text('alpha = 0.01\ncorrection = "holm"\nfractions = [0.5, 0.25, 0.25]\n')
    strict = load_protocol(str(path))
    assert (strict.name, strict.alpha, strict.correction, strict.fractions) == (
        "strict",
        0.01,
        "holm",
        (0.5, 0.25, 0.25),
    )
    assert "the correction of Holm" in " ".join(strict.describe())
    path.write_text('name = "tla90"\nbase = "dalal2024"\nmin_tla = 0.9\n')
    assert load_protocol(path).rule == "activation"
    assert "at least 90 % of the targets" in " ".join(load_protocol(path).describe())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alfa = 0.1", "a protocol has no 'alfa'; did you mean 'alpha'"),
        ("alpha = 2", "alpha is 2; use a number between 0 and 1"),
        ("alpha = 'x'", "alpha is 'x'"),
        ("fractions = [0.5, 0.5]", "give three shares"),
        ("fractions = [1, 0, 0]", "the last two above 0"),
        ("fractions = 3", "wrong type"),
        ("rule = 'vote'", "use replication or activation"),
        ("objective = 'luck'", "use one of correlation"),
        ("min_targets = 0", "use a whole number from 2"),
        ("n_controls = 3", "use at least 20 of each kind"),
        ("controls = ['shuffled', 'shuffled']", "each at most once"),
        ("positive_from = 0.8", "set positive_from and negative_to"),
        ("positive_from = 0.2\nnegative_to = 0.5", "choose it below positive_from"),
        ("base = 'other'", "there is no protocol 'other' to start from"),
        ("alpha = ", "this is not TOML"),
    ],
)
def test_a_wrong_file_is_one_sentence(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_protocol(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_a_missing_file_and_a_wrong_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_protocol(tmp_path / "none.toml")
    with pytest.raises(InputError, match="there is no protocol 'conceptz'; did you mean 'conceptx'"):
        load_protocol("conceptz")


def test_an_objective_of_a_protocol_is_one_of_the_search() -> None:
    assert set(OBJECTIVES) <= set(SEARCHED)
    with pytest.raises(InputError, match="objective is 'auprc'; use one of correlation, f1, iou, mcc, balanced_acc"):
        Protocol(name="x", objective="auprc")
