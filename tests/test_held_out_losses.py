"""What is left of held-out losses, as a table."""

from experiments import held_out_losses
from experiments.held_out_losses import HeldOutConfig


def test_terms_that_cluster_are_left_out_and_both_settings_see_as_many_clips():
    new, old = (held_out_losses.make_job(change, 0, HeldOutConfig(clips=640)) for change in held_out_losses.SETTINGS)
    assert new.terms == old.terms and not any("cluster" in name or "aggregation" in name for name in new.terms)
    assert new.train.steps * new.data.batch_size == old.train.steps * old.data.batch_size == 640


def test_a_cell_is_the_mean_ratio_with_its_range():
    runs = [{"before": {"a": 2.0, "b": 1.0}, "after": {"a": after, "b": 1.0}} for after in (0.5, 1.5)]
    lines = held_out_losses.table({"now": runs, "then": [{"reason": "not finite: a by step 20"}]}).splitlines()
    assert lines[2:] == ["| a | 0.50 (0.25 to 0.75) | diverged |", "| b | 1.00 (1.00 to 1.00) | diverged |"]
    assert held_out_losses.table({"now": runs[:1]}).splitlines()[2] == "| a | 0.25 |"
