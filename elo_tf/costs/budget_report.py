"""The budget of a run as a page of text."""

from typing import List, Sequence

from elo_tf.config import InputError
from elo_tf.costs.accelerators import USABLE, Accelerator, estimate, largest_batch, with_own
from elo_tf.costs.budget import BACKWARD_FACTOR, PASSES_OVER_ACTIVATIONS, Budget, Plan, make_budget
from elo_tf.costs.traced_step import HEADS

# Sec. 4: 4 hours on 8 GPUs a candidate; 3 days on 64 GPUs for 100 epochs of 2 million clips.
PAPER_CANDIDATE_HOURS = 4 * 8
PAPER_ROUNDS = 250
PAPER_TRAINING_HOURS = 3 * 24 * 64
PAPER_TRAINING_CLIPS = 100 * 2e6


def dry_run(plan: Plan) -> None:
    """Builds and checks the step of a run, and prints what the run takes.

    Raises:
      InputError: settings or records do not fit together, or the step is not whole.
    """
    print("Tracing one training step; nothing is trained and nothing is written ...", flush=True)
    budget = make_budget(plan)
    print(text(plan, budget))
    if budget.step.faults:
        raise InputError(f"the training step has {len(budget.step.faults)} faults; first: {budget.step.faults[0]}")


def text(plan: Plan, budget: Budget) -> str:
    """All sections of the page."""
    sections = (_step(plan, budget), _parts(budget), _memory(plan, budget), _storage(budget), _time(plan, budget))
    return "\n\n".join("\n".join(section) for section in (*sections, _paper(plan, budget)))


def _step(plan: Plan, budget: Budget) -> List[str]:
    sizes, step = budget.sizes, budget.step
    towers = ", ".join(name for name in step.parameters if name != HEADS)
    lines = [
        "THE STEP",
        f"{plan.model.backbone} towers of {towers}; {step.terms} terms; {plan.model.precision}",
        f"clips of {sizes.frames} frames, {sizes.size} x {sizes.size} pixels, sound {sizes.audio_steps} x "
        f"{sizes.mel_bins} a frame; {step.batch} clips a device{_times(budget)}",
    ]
    if step.faults:
        return [*lines, f"{len(step.faults)} FAULTS:", *(f"  {fault}" for fault in step.faults)]
    return [*lines, "checked: every term is one number, and every weight that a term should teach gets a gradient"]


def _times(budget: Budget) -> str:
    return f", {budget.parts} times a step" if budget.parts > 1 else ""


def _parts(budget: Budget) -> List[str]:
    step = budget.step
    rows: List[Sequence[str]] = [
        ("", "parameters", "runs a clip", "FLOPs a clip forward", f"and backward (x {BACKWARD_FACTOR})")
    ]
    for name, parameters in step.parameters.items():
        runs = f"{step.runs[name]:.1f}" if name in step.runs else ""
        rows.append(_part(name if name == HEADS else f"{name} tower", parameters, runs, step.forward[name]))
    rows.append(_part("all", sum(step.parameters.values()), "", sum(step.forward.values())))
    kept = f"Kept in the end: the RGB tower, {_count(step.parameters['rgb'])} parameters"
    alone = f", {_count(step.forward['rgb'] / step.runs['rgb'])}FLOPs a clip" if step.runs["rgb"] else ""
    return [
        "PARAMETERS AND ARITHMETIC",
        *_columns(rows),
        "A tower runs once on the clip, and again on half of the clips for each shuffled, reversed or other view.",
        f"{kept}{alone}.",
    ]


def _part(name: str, parameters: int, runs: str, forward: float) -> Sequence[str]:
    return name, _count(parameters), runs, _count(forward), _count(BACKWARD_FACTOR * forward)


def _memory(plan: Plan, budget: Budget) -> List[str]:
    step = budget.step
    rows = [
        ("weights, statistics, memories", _size(step.weight_bytes), "counted"),
        ("gradients", _size(budget.gradient_bytes), "counted"),
        (f"optimiser ({plan.train.optimizer})", _size(budget.slot_bytes), "counted"),
        ("weights in the compute type", _size(step.cast_bytes), "estimated"),
        ("clips", _size(step.clip_bytes), "counted"),
        ("activations for the backward pass", _size(step.kept_bytes), "estimated"),
        ("together", _size(budget.work().memory), f"of it {_size(budget.bytes_a_clip)} a clip"),
    ]
    return [
        f"MEMORY OF ONE DEVICE, {step.batch} clips",
        *_columns(rows),
        "Activations are the results of the forward pass that operations of the backward pass read, each once. What",
        f"exists for a moment (workspace of convolutions, the gradient on its way) is not in it; {1 - USABLE:.0%} of a",
        "device is left free for that.",
    ]


def _storage(budget: Budget) -> List[str]:
    sizes = budget.records
    rows = [
        (name, f"{each / 1e3:.2f} kB", _size(each * budget.frames))
        for name, each in (
            ("frames (JPEG)", sizes.rgb),
            ("flow (PNG)", sizes.flow),
            ("sound (16 bit)", sizes.sound),
            ("together", sizes.frame),
        )
    ]
    kind = "the records at hand" if budget.counted else "planned"
    return [
        f"RECORDS, {budget.videos:,} videos, {budget.frames / budget.videos:.0f} frames each ({kind})",
        *_columns([("", "a frame", "all"), *rows]),
        f"Bytes a frame: {sizes.source}.",
    ]


def _time(plan: Plan, budget: Budget) -> List[str]:
    own, precision = plan.budget, plan.model.precision
    devices = with_own(own.device_teraflops, own.device_gb, own.device_gbs)
    kind = "candidate" if plan.search else "training"
    rows: List[Sequence[str]] = [
        ("", "peak TFLOP/s", "fits", "largest batch", "step", "waits for", "clips/s", f"a {kind}", "all", "wall-clock")
    ]
    rows += [_device(plan, budget, device) for device in devices]
    if not plan.search:
        rows = [(*row[:-2], row[-1]) for row in rows]  # All is the one training.
    more_devices = ", a larger --accumulate, or more --devices to share it" if plan.shared_batch else ""
    lines = [
        f"TIME, {_count(budget.work().operations)}FLOPs a step and device, at {own.utilisation:.0%} of the peak rate "
        "(--utilisation, an assumption)",
        *_columns(rows),
        f"A {kind} is {plan.train.steps:,} steps of {plan.data.batch_size} clips. Clips/s are of one device, hours the",
        f"sum of all devices, wall-clock is on --devices={own.devices}, all busy all the time. A step takes the longer",
        f"of its arithmetic and {PASSES_OVER_ACTIVATIONS} passes over its activations; waiting for data, exchange of",
        "gradients and scoring come on top, and for steps of a few ms the start of each operation, which is then most.",
        f"Where it does not fit: a smaller --batch_size{more_devices}.",
    ]
    if plan.search:
        search = plan.search
        lines.append(
            f"All: {search.generations} generations of {search.population} candidates; with rungs and fresh seeds for "
            f"the best, {search.trainings:,} trainings and {search.steps:,} steps."
        )
    lines += [
        f"{device.name} has no units for {precision}: it computes as in float32."
        for device in devices
        if precision in device.lacks
    ]
    return lines


def _device(plan: Plan, budget: Budget, device: Accelerator) -> Sequence[str]:
    own, precision = plan.budget, plan.model.precision
    made = estimate(device, precision, budget.work(), own.utilisation)
    training = plan.train.steps * made.seconds * (own.devices if plan.shared_batch else 1)
    total = plan.search.steps * made.seconds if plan.search else training
    return (
        device.name,
        f"{device.teraflops[precision]:g}",
        "yes" if made.fits else "NO",
        str(largest_batch(device, budget.fixed_bytes, budget.bytes_a_clip)),
        f"{1e3 * made.seconds:.3g} ms" if made.seconds < 1 else f"{made.seconds:.2f} s",
        made.limit,
        f"{budget.parts * budget.step.batch / made.seconds:,.1f}",
        _duration(training),
        _duration(total),
        _duration(total / own.devices, days=True),
    )


def _paper(plan: Plan, budget: Budget) -> List[str]:
    lines = ["THE PAPER (Sec. 4; it states neither the kind of GPU, nor the size of a clip, nor the batch)"]
    clips = plan.train.steps * plan.data.batch_size
    candidate = f"a candidate, 8 GPUs x 4 hours: {PAPER_CANDIDATE_HOURS} GPU-hours"
    training = (
        f"the final training, 64 GPUs x 3 days: {PAPER_TRAINING_HOURS:,} GPU-hours for 100 epochs of 2 million clips"
    )
    if plan.search is None:
        lines += [candidate, training, _implied(budget, PAPER_TRAINING_CLIPS, PAPER_TRAINING_HOURS)]
        return [*lines, f"this training: {clips / 1e6:,.1f} million clips, {clips / PAPER_TRAINING_CLIPS:.0%} of that"]
    rounds = PAPER_ROUNDS * PAPER_CANDIDATE_HOURS
    return [
        *lines,
        candidate,
        _implied(budget, clips, PAPER_CANDIDATE_HOURS),
        f"a search, {PAPER_ROUNDS} rounds: {rounds:,} GPU-hours if a round is one candidate, "
        f"{rounds * plan.search.population:,} if it is {plan.search.population} as above",
        training,
    ]


def _implied(budget: Budget, clips: float, hours: float) -> str:
    """What GPUs would have to reach to train the model of this run on so many clips in the paper's time."""
    rate = clips / hours / 3600
    return (
        f"  for the model above and {clips / 1e6:,.2f} million of its clips: {rate:.1f} clips/s a GPU, "
        f"{_count(rate * budget.clip_operations)}FLOP/s a GPU"
    )


def _columns(rows: Sequence[Sequence[str]]) -> List[str]:
    """Rows as lines, the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    first, *others = widths
    return [
        "  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], others))]).rstrip()
        for row in rows
    ]


def _count(number: float) -> str:
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return f"{number / 1e3:.2f} k"


def _size(count: float) -> str:
    return f"{_count(count)}B"


def _duration(seconds: float, days: bool = False) -> str:
    hours = seconds / 3600
    if days and hours >= 24:
        return f"{hours / 24:,.1f} days"
    if hours >= 1:
        return f"{hours:,.0f} h" if hours >= 100 else f"{hours:.2f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"
