"""What GPU and cluster machines are set up by: files that fit each other, the package and what documents say."""

import configparser
import fnmatch
import os
import pathlib
import re
import shlex
import subprocess
import sys
from importlib import metadata
from typing import Dict, List, Tuple

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "gpus.md").read_text()


@pytest.fixture(scope="module")
def package() -> configparser.ConfigParser:
    """setup.cfg."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


@pytest.fixture(scope="module")
def stages() -> Dict[str, Tuple[str, List[Tuple[str, str]]]]:
    """The Dockerfile: name of a stage -> what it begins with, and its (instruction, rest)."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))
    found: Dict[str, Tuple[str, List[Tuple[str, str]]]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        word, rest = line.split(None, 1)
        if word == "FROM":
            image, name = re.fullmatch(r"(\S+) AS (\w+)", rest).groups()
            found[name] = (image, [])
        else:
            assert word in {"ENV", "WORKDIR", "RUN", "COPY", "ENTRYPOINT", "CMD"}, line
            found[name][1].append((word, rest))
    return found


def run_of(stage) -> List[List[str]]:
    return [shlex.split(rest) for word, rest in stage[1] if word == "RUN"]


def extras_in(text: str) -> set:
    """Names of the extras of this package in a command."""
    return {name for listed in re.findall(r"(?<!\w)\.\[([\w,]+)\]", text) for name in listed.split(",")}


def test_the_gpu_extra_is_tensorflows_own_and_of_the_pinned_version(package):
    requirement = package["options.extras_require"]["gpu"].strip()
    pinned = re.search(r"^tensorflow==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)[1]
    assert requirement.split(";")[0].strip() == f"tensorflow[and-cuda]=={pinned}"
    about = metadata.metadata("tensorflow")
    assert about["Version"] == pinned and "and-cuda" in about.get_all("Provides-Extra")
    # All that it brings is pinned: no version can come that TensorFlow was not built for.
    brought = [line for line in about.get_all("Requires-Dist") if "and-cuda" in line]
    assert len(brought) >= 10 and all(re.match(r"nvidia-[\w-]+-cu12 ?\(?==[\d.]+\)?", line) for line in brought)


def test_images_have_a_python_that_the_package_takes(package, stages):
    image, _ = stages["base"]
    version = re.fullmatch(r"python:(3\.\d+)-slim-\w+", image)[1]
    least, most = re.fullmatch(r">=(3\.\d+),<(3\.\d+)", package["options"]["python_requires"]).groups()

    def number(text):
        return int(text.split(".")[1])

    assert number(least) <= number(version) < number(most)
    assert {name: begun for name, (begun, _) in stages.items()} == {"base": image, "gpu": "base", "cpu": "base"}
    assert list(stages)[-1] == "cpu", "what `docker build .` makes"


def test_images_install_the_package_with_extras_that_exist(package, stages):
    known = set(package["options.extras_require"])
    ready = (ROOT / "Makefile").read_text()
    (tools,) = run_of(stages["base"])
    # The same tools as the Makefile's environment has.
    needed = next(word for word in tools if word.startswith("setuptools"))
    assert f'"{needed}" wheel' in ready and tools[-1] == "wheel"
    for name, wanted in (("gpu", {"gpu", "ray", "serving"}), ("cpu", {"ray", "serving"})):
        (install,) = run_of(stages[name])
        assert install[:4] == ["python", "-m", "pip", "install"] and "--no-build-isolation" in install
        assert extras_in(" ".join(install)) == wanted <= known
        entry = [rest for word, rest in stages[name][1] if word == "ENTRYPOINT"]
        assert entry == ['["python", "-m"]']


def test_images_hold_all_that_the_package_is_made_of(package, stages):
    copied = [word for kind, rest in stages["base"][1] if kind == "COPY" for word in rest.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    read = ["setup.cfg", "pyproject.toml", "requirements.txt", package["metadata"]["license_files"]]
    read.append(package["metadata"]["long_description"].partition("file: ")[2])
    assert set(read) < set(copied)
    packages = package["options.packages.find"]["include"].split()
    assert all(any(fnmatch.fnmatch(name.rstrip("/"), pattern) for name in copied) for pattern in packages)
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {f"!{name}" for name in copied} <= set(ignored), "else `docker build` would not find it"


def test_documented_images_and_extras_exist(package, stages):
    targets = set(re.findall(r"--target (\w+)", GUIDE + (ROOT / "Dockerfile").read_text()))
    assert targets == {"cpu", "gpu"} <= set(stages)
    assert extras_in(GUIDE) == {"gpu", "ray"} <= set(package["options.extras_require"])
    words = "README.md", "docs/search.md", "docs/your_videos.md"
    assert "(docs/gpus.md)" in (ROOT / words[0]).read_text() and extras_in(GUIDE) <= set(
        package["options.extras_require"]
    )


@pytest.fixture(scope="module")
def cluster():
    """experiments/cluster/ray.yaml."""
    return yaml.safe_load((ROOT / "experiments" / "cluster" / "ray.yaml").read_text())


def test_the_cluster_file_is_one_that_ray_takes(cluster):
    ray = pytest.importorskip("ray.autoscaler._private.util", reason="the extra `ray` is not installed")
    from ray.autoscaler._private.util import prepare_config

    prepared = prepare_config(cluster)
    ray.validate_config(prepared)
    with pytest.raises(Exception, match="head_start_ray_command"):
        ray.validate_config({**prepared, "head_start_ray_command": ["no such key"]})


def test_the_cluster_file_installs_and_starts_what_the_package_has(package, cluster):
    commands = [
        command
        for name in ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands")
        for command in cluster[name]
    ]
    for command in commands:
        assert subprocess.run(["bash", "-n", "-c", command], check=False).returncode == 0, command
    assert extras_in(" ".join(commands)) == {"gpu", "ray"} <= set(package["options.extras_require"])
    port = re.search(r"--port=(\d+)", cluster["head_start_ray_commands"][-1])[1]
    assert cluster["worker_start_ray_commands"][-1].endswith(f"--address=$RAY_HEAD_IP:{port}")
    assert f"--port={port}" in GUIDE and f"--address=FIRST:{port}" in GUIDE
    assert cluster["min_workers"] == cluster["max_workers"] == len(cluster["provider"]["worker_ips"])


@pytest.mark.slow
def test_the_benchmark_runs_from_nothing_to_its_table(tmp_path):
    """On cores: what it says of them is not checked, that it says all of it is."""
    script = ROOT / "experiments" / "benchmarks" / "gpu.sh"
    environment = {**os.environ, "PYTHON": sys.executable, "PEAK_TERAFLOPS": "1", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [str(script), "--smoke", str(tmp_path / "gpu")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    table = (tmp_path / "gpu" / "gpu.md").read_text().splitlines()
    assert table[0].startswith("cores, ") and "4 x 16 x 16" in table[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]
    assert rows[0][0] == "tower" and [len(row) for row in rows] == [9] * 7
    assert [tuple(row[2:5]) for row in rows[2:]] == [
        ("float32", "", "1"), ("float32", "XLA", "1"), ("mixed_bfloat16", "", "1"), ("mixed_bfloat16", "XLA", "1"),
        ("mixed_bfloat16", "", "2"),
    ]  # fmt: skip
    for _, clips, _, _, _, step, speed, share, waiting in rows[2:]:
        assert float(step) > 0 and float(speed) > 0 and clips == "4"
        assert 0 < float(share.rstrip("%")) and 0 <= float(waiting.rstrip("%")) <= 100
    assert subprocess.run([str(script)], capture_output=True, check=False).returncode != 0


def test_cases_and_peaks_of_the_benchmark():
    from elo_tf.config import InputError
    from experiments.benchmarks import gpu_speed

    found = list(gpu_speed.cases(["r18", "r50"], ["32", "16"]))
    assert len(found) == 2 * 4 + 1 and found[-1].at_once == 2 and found[-1].batch == 32
    for wrong in (["32"], ["32", "x"], ["32", "1"]):
        with pytest.raises(InputError, match="--batches"):
            list(gpu_speed.cases(["r18", "r50"], wrong))
    assert gpu_speed.peak("NVIDIA A100-SXM4-40GB", "mixed_bfloat16") == 312e12
    assert gpu_speed.peak("Tesla V100-SXM2-32GB", "float32") == 15.7e12
    assert gpu_speed.peak("NVIDIA GeForce RTX 3090", "float32") is None
    assert gpu_speed.peak("NVIDIA A100-SXM4-40GB", "float32", own=71.0) == 71e12
