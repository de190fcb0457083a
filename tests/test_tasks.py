"""The registry and the genome: order, names, patterns, and a kind dropped in beside the others."""

import pytest

from elo_tf import tasks
from elo_tf.clips import MODALITIES, check_modalities
from elo_tf.config import InputError
from elo_tf.tasks.base import KINDS, Task, register

ALL = tuple(MODALITIES)


def test_names_and_codes_are_unique_and_stable():
    terms = tasks.select(ALL)
    names, codes = [term.name for term in terms], [term.code for term in terms]
    assert len(set(names)) == len(set(codes)) == len(terms)
    expected = {"rgb/reconstruct": "R-Rec", "rgb-audio/align": "RA-A", "audio/distill/stage3": "A-D3"}
    assert expected.items() <= dict(zip(names, codes)).items()


def test_every_kind_of_head_is_there():
    assert {"reconstruct", "shuffle", "embed", "align", "distill"} <= set(KINDS)


def test_order_does_not_depend_on_the_patterns():
    names = [term.name for term in tasks.select(ALL)]
    some = [term.name for term in tasks.select(ALL, ["*/distill/*", "rgb/*", "rgb/shuffle"])]
    assert some == [name for name in names if "distill" in name or name.startswith("rgb/")]


def test_terms_follow_the_modalities():
    for term in tasks.select(("rgb", "flow")):
        assert set(term.modalities) <= {"rgb", "flow"}


def test_pattern_without_a_match_lists_what_is_known():
    with pytest.raises(InputError, match="'rgb/suffle' matches no term; known .*rgb/shuffle"):
        tasks.select(ALL, ["rgb/suffle"])


@pytest.mark.parametrize("names, message", [(["rgb", "depth"], "'depth' is unknown"), (["flow"], "lacks rgb")])
def test_bad_modalities(names, message):
    with pytest.raises(InputError, match=message):
        check_modalities(names)


def test_modalities_come_in_canonical_order():
    assert check_modalities(["audio", "rgb"]) == ("rgb", "audio")


def test_duplicate_kind_names_its_first_owner():
    with pytest.raises(ValueError, match="already defined in elo_tf.tasks.shuffle"):

        @register
        class Again(Task):
            kind = "shuffle"


def test_dropped_in_kind_enters_the_genome(monkeypatch):
    class Length(Task):
        kind = "length"
        symbol = "L"
        equation = "none"

        @classmethod
        def instances(cls, modalities):
            return [cls([modality], [(modality, "plain")], [modality]) for modality in modalities]

    monkeypatch.setitem(KINDS, "length", Length)
    assert [term.code for term in tasks.select(("rgb", "flow"), ["*/length"])] == ["R-L", "F-L"]
