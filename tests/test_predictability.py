"""Cross-validated ridge regression against scikit-learn, and what it promises about folds and penalties."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from elo_tf.search.fitness.predictability import FOLDS, PENALTIES, assign_folds, best, explained, standard_error

CLIPS, WIDTH, TARGETS = 200, 12, 5


def planted(noise: float, seed: int = 0):
    """Features, and targets that are linear in them but for noise of this deviation."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(CLIPS, WIDTH)).astype(np.float32)
    targets = features @ random.normal(size=(WIDTH, TARGETS)) + noise * random.normal(size=(CLIPS, TARGETS))
    return features, targets.astype(np.float32)


def reference(features, targets, folds):
    """The same by scikit-learn, a fold at a time."""
    found = []
    for fold in range(FOLDS):
        seen = folds != fold
        x, y = ((part - part[seen].mean(0)) / part[seen].std(0) for part in (features, targets))
        scale = []
        for penalty in PENALTIES:
            error = 0.0
            for inner in set(range(FOLDS)) - {fold}:
                train, test = seen & (folds != inner), folds == inner
                strength = penalty * np.linalg.eigvalsh(x[train].T @ x[train]).mean()
                model = Ridge(alpha=strength, fit_intercept=False).fit(x[train], y[train])
                error += np.square(y[test] - model.predict(x[test])).sum()
            scale.append(error)
        strength = PENALTIES[np.argmin(scale)] * np.linalg.eigvalsh(x[seen].T @ x[seen]).mean()
        left = y[~seen]
        rest = left - Ridge(alpha=strength, fit_intercept=False).fit(x[seen], y[seen]).predict(x[~seen])
        found.append(1 - np.square(rest).mean() / np.square(left).mean())
    return np.array(found)


@pytest.mark.parametrize("noise", [0.1, 3.0])
def test_it_is_what_scikit_learn_computes(noise):
    features, targets = planted(noise)
    folds = assign_folds(np.arange(CLIPS) // 2)
    np.testing.assert_allclose(explained(features, targets, folds), reference(features, targets, folds), atol=1e-4)


def test_noise_foretells_nothing_and_the_truth_nearly_all():
    features, targets = planted(0.1)
    folds = assign_folds(np.arange(CLIPS))
    noise = np.random.default_rng(1).normal(size=features.shape).astype(np.float32)
    assert explained(features, targets, folds).numpy().min() > 0.98
    assert abs(explained(noise, targets, folds).numpy().mean()) < 0.1
    np.testing.assert_allclose(explained(np.ones_like(features), targets, folds), 0.0, atol=0.1)


def test_scale_and_constant_dimensions_do_not_matter():
    features, targets = planted(1.0)
    folds = assign_folds(np.arange(CLIPS))
    expected = explained(features, targets, folds)
    scaled = np.concatenate([100.0 * features + 7.0, np.full([CLIPS, 2], 3.0, np.float32)], axis=1)
    wider = np.concatenate([targets, np.full([CLIPS, 1], 5.0, np.float32)], axis=1)
    # Dimensions that are constant change the mean eigenvalue, the unit of the penalties, a little.
    np.testing.assert_allclose(explained(scaled, targets, folds), expected, atol=0.02)
    np.testing.assert_allclose(explained(features, wider, folds), expected, atol=1e-6)


def test_windows_of_a_video_share_a_fold_and_folds_are_even():
    videos = np.repeat(np.random.default_rng(0).permutation(50), 3)
    folds = assign_folds(videos)
    assert all(len(set(folds[videos == video])) == 1 for video in range(50))
    assert set(np.bincount(folds)) == {30}


def test_a_video_that_is_there_twice_does_not_help():
    # Each clip twice, with targets of noise: were its twin seen, it would be foretold.
    random = np.random.default_rng(0)
    features, targets = (np.repeat(random.normal(size=(60, d)), 2, axis=0).astype(np.float32) for d in (50, 3))
    assert explained(features, targets, assign_folds(np.repeat(np.arange(60), 2))).numpy().mean() < 0.05
    assert explained(features, targets, assign_folds(np.arange(120))).numpy().mean() > 0.2


def test_the_best_gain_and_its_error():
    gains = {"flow": np.array([0.1, 0.2, 0.3]), "audio": np.array([0.2, 0.2, 0.1])}
    np.testing.assert_array_equal(best(gains), gains["flow"])
    assert standard_error(gains["flow"]) == pytest.approx(0.1 / np.sqrt(3))
