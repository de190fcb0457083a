"""The report as a reader gets it: whole at any stage of a search, safe, and right in a real browser."""

import html.parser
import json
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from elo_tf.search.fitness.base import Fitness
from elo_tf.search.journal.journal import Journal
from elo_tf.search.journal.result import TrialResult
from elo_tf.search.reporting import report
from elo_tf.search.reporting.findings import ranking
from elo_tf.search.trials.cluster_samples import ClusterSamples

ROOT = pathlib.Path(__file__).parents[1]
HOSTILE = "<script>alert(1)</script>\"'&"
NAMES = ("rgb/shuffle", "rgb-audio/embed", "grey/colorize", f"rgb/{HOSTILE}")
SETTINGS = {
    "fitness": "zipf",
    "zipf_exponent": 1.0,
    "min_deviation": 0.001,
    "agreement_margin": 0.1,
    "steps": 9,
    "records": HOSTILE,
    "tasks": ["paper", "a_pattern_of_terms_that_is_much_longer_than_a_line_of_a_narrow_window_could_ever_be"],
}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def search(directory, rounds=3, failed=(), told=None):
    """The journal of a search of four candidates a round; the best is number 1."""
    generator = np.random.default_rng(0)
    header = {"seed": 0, "names": NAMES, "schema": "0123", "settings": SETTINGS, "packages": {"numpy": "1"}}
    with Journal.open(str(directory / "journal.jsonl"), header) as journal:
        if rounds:
            journal.note("untrained", {"agreement_adjusted": 0.2})
        for _ in range(rounds):
            for number in journal.ask(generator.random((4, len(NAMES)))):
                if told is not None and number >= told:
                    continue
                measured = {"zipf": 0.5, "zipf_deviation": 0.1, "agreement": 0.3, "agreement_deviation": 0.1}
                measured |= {"feature_deviation": 0.4, "effective_rank": 9.0, "agreement_adjusted": 0.25}
                reason = f"collapsed: {HOSTILE}" if number in failed else None
                value = None if reason else (0.3 if number == 1 else 0.4 + number / 100)
                journal.tell(
                    number, TrialResult(9, 0, Fitness(value, reason, None if reason else 0.05, 20, measured), 1.0)
                )
    return Journal.read(str(directory / "journal.jsonl"))


def show(directory, lambdas):
    """Saves clusters of noise; one of their videos has a hostile name."""
    generator = np.random.default_rng(1)
    names = np.array([[f"{HOSTILE}{cluster}" if not clip else f"a/long_name_of_a_video_{clip}.mp4" for clip in range(5)]
                      for cluster in range(6)])  # fmt: skip
    names[5, 3:] = ""
    sizes = np.sort(generator.dirichlet(np.ones(10)))[::-1]
    strips = generator.integers(0, 256, [6, 5, 4, 32, 32, 3], np.uint8)
    ClusterSamples(np.float32(lambdas), sizes, sizes / 10, sizes[:6], strips, names).save(directory / "clusters.npz")


class Page(html.parser.HTMLParser):
    """Tags with their attributes, and the text of a page."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.text = [], ""
        self.source = path.read_text()
        self.feed(self.source)
        # Captions are broken anywhere in their source.
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for own, attributes in self.tags if own == tag]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The report of a search that has all there can be."""
    directory = tmp_path_factory.mktemp("report")
    journal = search(directory, failed=(2, 5))
    show(directory, ranking(journal.generations())[0].lambdas)
    return report.redraw(directory)


def test_everything_is_in_the_page(finished):
    page = Page(finished)
    titles = ["Best loss", "Fitness over the rounds", "Best candidates", "Weights over the rounds"]
    titles += ["Clusters of the winner", "Health", "Settings"]
    assert all(title in page.text for title in titles)
    assert "12 in 3 generations, 2 infeasible" in page.text
    assert f"0.3000 ± {0.05 / 20**0.5:.4f}" in page.text
    (row,) = re.findall(r'why infeasible"><span>collapsed<.*?<span>(\d+)<', page.source)
    assert row == "2"
    assert "Missing" not in page.text
    assert sorted(path.name for path in (finished.parent / "figures").iterdir()) == [
        "best_loss.png", "clusters.png", "fitness.png", "health.png", "lambdas.png"
    ]  # fmt: skip
    assert "rgb/shuffle (R-S)" in page.text
    ids = ["best", "health", "fitness", "weights", "candidates", "clusters", "settings"]
    assert [each["id"] for each in page.all("section")] == ids
    assert "Weights while they are learned" not in page.text  # This search evolves them.


def test_nothing_comes_from_elsewhere_and_every_picture_has_words(finished):
    page = Page(finished)
    images = page.all("img")
    assert len(images) == 5 + 6 * 5 - 2
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in images)
    addresses = [value for _, each in page.tags for name, value in each.items() if name in ("src", "href", "srcset")]
    sections = {f"#{each['id']}" for each in page.all("section")}
    assert sections == {address for address in addresses if not address.startswith("data:")}
    assert len(addresses) == len(images) + len(sections)
    assert "url(" not in page.source and "@import" not in page.source and not page.all("link")


def test_what_others_wrote_is_text(finished):
    page = Page(finished)
    assert not page.all("script") and not page.all("iframe")
    assert "<script" not in page.source
    assert page.text.count("<script>alert(1)</script>\"'&") >= 6 + 2


@pytest.mark.parametrize(
    "state, missing",
    [
        (dict(rounds=0), ["No generation has been asked for yet"]),
        (dict(rounds=1, told=0), ["no candidate is feasible so far"]),
        (dict(rounds=1, failed=range(4)), ["no candidate is feasible so far", "collapsed"]),
        (dict(rounds=2, told=5), ["clusters.npz, which the search writes at its end", "3 without result so far"]),
    ],
)
def test_a_search_at_any_stage_has_a_report_that_says_what_is_missing(tmp_path, state, missing):
    search(tmp_path, **state)
    page = Page(report.redraw(tmp_path))
    assert all(words in page.text for words in missing)
    assert all(image["src"].startswith("data:") for image in page.all("img"))


def test_clusters_of_another_candidate_and_damaged_ones_are_named(tmp_path):
    search(tmp_path)
    show(tmp_path, np.zeros(len(NAMES)))
    assert "is of an earlier best candidate" in Page(report.redraw(tmp_path)).text
    (tmp_path / "clusters.npz").write_bytes(b"PK\x03\x04")
    assert "clusters.npz is damaged" in Page(report.redraw(tmp_path)).text


def test_an_older_journal_without_the_untrained_tower(tmp_path):
    header = {"seed": 0, "names": NAMES[:1], "settings": {"steps": 9}}
    with Journal.open(str(tmp_path / "journal.jsonl"), header) as journal:
        journal.tell(*journal.ask(np.ones([1, 1])), TrialResult(9, 0, Fitness(0.5, None, 0.0, 1, {}), 1.0))
    assert "Missing: the level of the untrained tower" in (page := Page(report.redraw(tmp_path)).text)
    assert "0.5000 ± unknown" in page


@pytest.mark.parametrize(
    "fitness, title, shown, meaning",
    [
        ("zipf", "zipf score, nats", ["agreement", "agreement adjusted"], "at the scale that the features have"),
        ("agreement", "1 - agreement (AMI)", ["zipf", "agreement"], "lack of full agreement"),
        ("weak", "1 - accuracy", ["zipf", "agreement", "agreement adjusted"], "is told wrongly"),
    ],
)
def test_a_report_says_what_its_fitness_is_and_shows_the_other_scores(tmp_path, fitness, title, shown, meaning):
    header = {"seed": 0, "names": NAMES[:1], "settings": {"steps": 9, "fitness": fitness}}
    measured = {"zipf": 0.5, "agreement": 0.3, "agreement_adjusted": 0.25, "weak": 0.4, "feature_deviation": 0.4}
    if fitness != "weak":
        del measured["weak"]
    with Journal.open(str(tmp_path / "journal.jsonl"), header) as journal:
        journal.tell(*journal.ask(np.ones([1, 1])), TrialResult(9, 0, Fitness(0.75, None, 0.1, 4, measured), 1.0))
    page = Page(report.redraw(tmp_path))
    heads = re.findall(r'<th scope="col">(.*?)</th>', page.source)
    assert heads[3:-1] == [f"{title} ± s.e.", *shown]
    assert f"s.e. ({title})" in page.text and meaning in page.text


def chromium(path, profile, *flags):
    """What a headless browser prints of a page."""
    quiet = "--disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", *quiet.split(), "--hide-scrollbars"]
    done = subprocess.run(
        [*command, f"--user-data-dir={profile}", *flags, path.as_uri()], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Browsers have a least width of their windows, a frame has not. It has the origin of the page around it by `srcdoc`.
AROUND = """<!DOCTYPE html><iframe id="page" style="border:0;width:%dpx;height:9000px"></iframe><pre id="seen"></pre>
<script>
const page = document.getElementById("page");
page.onload = () => {
  const inside = page.contentDocument;
  inside.querySelectorAll("details").forEach(each => each.open = true);
  const right = each => each.getBoundingClientRect().right;
  document.getElementById("seen").textContent = JSON.stringify({
    images: inside.images.length,
    broken: [...inside.images].filter(each => !each.complete || !each.naturalWidth || !each.clientWidth).length,
    width: inside.documentElement.scrollWidth,
    outside: [...inside.querySelectorAll("body *")].filter(each => right(each) > %d + .5).map(each => each.outerHTML),
  });
};
page.srcdoc = %s;
</script>"""


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on the PATH; install the package chromium to test the page")
@pytest.mark.parametrize("width", [400, 720, 1200])
def test_a_browser_decodes_all_pictures_and_nothing_is_wider_than_the_window(finished, tmp_path, width):
    around = tmp_path / "around.html"
    page = json.dumps(finished.read_text()).replace("</", "<\\/")
    around.write_text(AROUND % (width, width, page))
    printed = chromium(around, tmp_path / "profile", f"--window-size={max(width, 500)},9000", "--dump-dom")
    seen = json.loads(html.unescape(re.search(r'<pre id="seen">(.*?)</pre>', printed, re.DOTALL).group(1)))
    assert seen == {"images": 33, "broken": 0, "width": width, "outside": []}


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on the PATH; install the package chromium to test the page")
def test_a_browser_prints_the_page(finished, tmp_path):
    chromium(finished, tmp_path / "profile", f"--print-to-pdf={tmp_path / 'report.pdf'}")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_the_text_beside_a_figure_says_what_is_seen(finished):
    text = Page(finished).text
    generations = Journal.read(str(finished.parent / "journal.jsonl")).generations()
    first, *_, last = (own.lambdas.mean(axis=0) for own in generations)
    rise = int(np.argmax(last - first))
    assert f"{NAMES[rise]} rose the most, from {first[rise]:.2f} to {last[rise]:.2f}" in text
    # Candidates 0, 1, 3 of the first round and 8 to 11 of the last: .4 + number / 100, and .3 of candidate 1.
    means = (0.40 + 0.30 + 0.43) / 3, (0.48 + 0.49 + 0.50 + 0.51) / 4
    assert f"did not fall: it went from {means[0]:.4f} in the first to {means[1]:.4f} in the last" in text
    assert "agreement beyond chance (AMI): 0.25 (untrained: 0.2)" in text
    assert "and 0 others tie with it" in text and "among the best and its ties)" not in text


def test_an_installed_package_has_the_template(tmp_path):
    for name in ("setup.cfg", "pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "elo_tf", tmp_path / "elo_tf", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "build", "--build-lib", "built"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    place = pathlib.Path("elo_tf", "search", "reporting", "templates")
    assert sorted((tmp_path / "built" / place).iterdir()) == [
        tmp_path / "built" / path.relative_to(ROOT) for path in sorted((ROOT / place).iterdir())
    ]
