"""The registry and the genome: order, names, patterns, and a kind dropped in beside the others."""

import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from elo_tf import tasks
from elo_tf.config import InputError
from elo_tf.data.clips import MODALITIES, check_modalities
from elo_tf.tasks.base import KINDS, Task, register
from tests import videos

ALL = tuple(MODALITIES)


def test_names_and_codes_are_unique_and_stable():
    terms = tasks.select(ALL)
    names, codes = [term.name for term in terms], [term.code for term in terms]
    assert len(set(names)) == len(set(codes)) == len(terms)
    expected = {"rgb/reconstruct": "R-Rec", "rgb-audio/align": "RA-A", "audio/distill/stage3": "A-D3"}
    assert expected.items() <= dict(zip(names, codes)).items()


def test_every_kind_of_head_is_there():
    paper = {"reconstruct", "predict", "transfer", "shuffle", "backward", "embed", "align", "colorize", "distill"}
    assert paper | {"deep_cluster", "local_aggregation"} <= set(KINDS)


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


@pytest.mark.parametrize(
    "names, message", [(["rgb", "depth"], "'depth' is unknown; choose from rgb, grey"), (["flow"], "lacks rgb")]
)
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


def test_every_term_of_the_paper_is_there():
    names = {term.name for term in tasks.select(ALL, ["paper"])}
    assert len(names) == 45
    each = ("reconstruct", "predict", "shuffle", "backward")
    pairs = ("rgb-grey", "rgb-flow", "rgb-audio")
    expected = {f"{modality}/{kind}" for modality in ALL for kind in each}
    expected |= {f"{pair}/{kind}" for pair in pairs for kind in ("align", "embed")}
    expected |= {f"{pair}/embed" for pair in ("grey-flow", "grey-audio", "flow-audio")}
    transfers = ("rgb-flow", "flow-rgb", "grey-rgb", "rgb-audio", "audio-rgb")
    expected |= {f"{pair}/transfer" for pair in transfers}
    expected |= {f"{modality}/distill/stage{stage}" for modality in ALL[1:] for stage in (1, 2, 3, 4)}
    expected |= {"grey/colorize", "rgb/deep_cluster", "rgb/local_aggregation"}
    assert names == expected


def test_presets_follow_the_modalities():
    fast = [term.name for term in tasks.select(("rgb", "flow"), ["fast"])]
    assert fast == [
        "rgb/backward",
        "rgb/shuffle",
        "flow/distill/stage3",
        "flow/distill/stage4",
        "rgb-flow/align",
        "rgb-flow/embed",
    ]
    assert [term.name for term in tasks.select(("rgb",), ["fast", "rgb/predict"])] == [
        "rgb/backward",
        "rgb/predict",
        "rgb/shuffle",
    ]


@pytest.mark.parametrize("pattern", ["flow/*shuffle", "grey/colorize", "flow-rgb/transfer"])
def test_a_genome_that_leaves_rgb_alone_is_refused(pattern):
    with pytest.raises(InputError, match=f"{re.escape(pattern)} gives the RGB tower no gradient: none of"):
        tasks.select(ALL, [pattern])


LENGTH = '''
"""A term dropped in beside the others."""
from elo_tf.ops.equations import average, distance
from elo_tf.tasks.base import Task, register


@register
class Length(Task):
    """The embedding has the length of a radius."""

    kind = "length"
    symbol = "L"
    equation = "none"

    @classmethod
    def instances(cls, modalities, config):
        return [cls(config, ["rgb"], [("rgb", "plain")], ["rgb"])]

    def loss(self, features, clips, training):
        x = features["rgb", "plain"]["embedding"]
        return average(distance(x, 0.0 * x), self.present(clips))
'''


@pytest.mark.slow
def test_a_dropped_in_file_is_all_that_a_term_needs(tmp_path):
    root = pathlib.Path(__file__).parents[1]
    for part in ("elo_tf", "tests", "pyproject.toml"):
        copy = shutil.copytree if (root / part).is_dir() else shutil.copy
        copy(root / part, tmp_path / part)
    (tmp_path / "elo_tf" / "tasks" / "length.py").write_text(LENGTH)

    def run(*arguments):
        done = subprocess.run([sys.executable, "-m", *arguments], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    listed = run("elo_tf.search", "--list_losses", "--tasks=*", "--crop_size=16")
    assert re.search(r"^rgb/length +R-L +none +rgb +rgb plain", listed, re.MULTILINE)
    # Among them that the preset `paper` is as it was.
    run("pytest", "-p", "no:cacheprovider", "tests/test_tasks.py", "-m", "not slow")
    # What the new term is tested beside has no part in it, and takes minutes to compile.
    for kind in KINDS.keys() - {"shuffle"}:
        (tmp_path / "elo_tf" / "tasks" / f"{kind}.py").unlink()
    files = [f"tests/conformance/test_{name}.py" for name in ("terms", "ways_to_run")]
    tested = run("pytest", "-p", "no:cacheprovider", *files, "-k", "length", "-v")
    kept = "is_finite_and_of_order_one", "xla_equals_eager", "two_replicas_equal_one", "survives_save_and_load"
    for promise in kept:
        assert f"test_{promise}[rgb/length] PASSED" in tested
    assert "[rgb/shuffle]" not in tested
    records = videos.noise_records(tmp_path)
    flags = (
        "--frames=4 --crop_size=16 --batch_size=4 --modalities=rgb --tasks=rgb/length,rgb/shuffle --steps=2 "
        "--fitness=agreement --clusters=2 --restarts=2 --scoring_clips=8 --min_deviation=0 --generations=1 "
        "--population=3 --workers=local:1"
    )
    run("elo_tf.search", *flags.split(), f"--records={records}", f"--run_dir={tmp_path / 'run'}")
    assert set(json.loads((tmp_path / "run" / "evolved_loss.json").read_text())["lambdas"]) == {
        "rgb/length",
        "rgb/shuffle",
    }
    assert (tmp_path / "run" / "figures" / "best_loss.png").exists()
    assert "rgb/length (R-L)" in (tmp_path / "run" / "report.html").read_text()
