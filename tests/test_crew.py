"""The crew with real workers: what comes of a trial does not depend on them, and what fails is tried again."""

import os
import pathlib
import time

import pytest

from elo_tf.config import InputError
from elo_tf.runtime.workers.local import LocalEngine
from elo_tf.search.fitness.base import Fitness
from elo_tf.search.trials.scheduler import Crew
from elo_tf.search.trials.trial import Outcome, Trial

DYING = 0.3  # Seconds that an attempt takes which ends for want of memory.


class Handler:
    """Scores a trial by arithmetic. The first of its lambdas says what else happens, as often as the second says."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        if (self.folder / "stillborn").exists():
            os._exit(3)
        if (self.folder / "room").exists() and not self._takes_room():
            with open(self.folder / "deaths", "a") as file:
                file.write("x")
            os._exit(3)
        for name in ("short of memory", "short of memory once"):
            if (self.folder / name).exists():
                if name.endswith("once"):
                    (self.folder / name).unlink()
                raise MemoryError("no room for a tower")

    def _takes_room(self):
        """Whether there was room for this one too, of as many as the file says."""
        for number in range(int((self.folder / "room").read_text())):
            try:
                (self.folder / f"place {number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            return True
        return False

    def __call__(self, message):
        method, arguments = message
        methods = {"pid": os.getpid, "run": self.run, "fail": self.fail}
        return methods[method](*arguments)

    def fail(self, kind, times):
        """Its pid, after so many failures of the kind."""
        self.run(Trial(99, (kind, times), 5, 0))
        return os.getpid()

    def run(self, trial):
        with open(self.folder / f"{trial.candidate}", "a") as file:
            file.write("x")
        tries = (self.folder / f"{trial.candidate}").stat().st_size
        kind, times = trial.lambdas[:2]
        if kind == 0.1 and tries <= times:
            os._exit(9)
        if kind == 0.2 and tries <= times:
            time.sleep(DYING)
            raise MemoryError("no room for 3 GiB")
        if kind == 0.3 and trial.attempt < times:
            return Outcome(Fitness(None, "not finite: rgb/shuffle at step 3", None, 2, {}, failed=True), {}, {})
        if kind == 0.7 and tries <= times:
            time.sleep(600)
        if kind == 0.4:
            raise OSError(28, "No space left on device")
        if kind == 0.6:
            while not (self.folder / "deaths").exists() or (self.folder / "deaths").stat().st_size < times:
                time.sleep(0.05)
            time.sleep(1.0)  # Until the crew knows of them.
        time.sleep(0.01)
        value = trial.candidate / 7 + trial.steps + trial.order_seed
        return Outcome(Fitness(value, None, 0.5, 2, {"zipf": value}), {"a": float("inf"), "b": 1.0}, {"data": 1.0})


@pytest.fixture
def crew(tmp_path):
    with Crew(LocalEngine(2), Handler, (str(tmp_path),), retries=1) as crew:
        yield crew


def trials(*lambdas, seed=0):
    return [Trial(candidate, own, 5, seed) for candidate, own in enumerate(lambdas)]


def results(crew, *lambdas, seed=0):
    return {ended.trial.candidate: ended.result for ended in crew.run(trials(*lambdas, seed=seed))}


PLAIN = (0.5, 0.5)


def test_same_results_for_any_number_of_workers(tmp_path):
    found = []
    for count in (1, 3):
        folder = tmp_path / str(count)
        folder.mkdir()
        with Crew(LocalEngine(count), Handler, (str(folder),), retries=0) as crew:
            found.append({number: result.value for number, result in results(crew, *[PLAIN] * 9).items()})
            assert len(crew._members) == count
    assert found[0] == found[1] and sorted(found[0]) == list(range(9))


def test_a_result_holds_what_the_outcome_said(crew):
    result = results(crew, PLAIN, seed=4)[0]
    assert (result.value, result.fitness.deviation, result.fitness.restarts) == (9.0, 0.5, 2)
    assert (result.steps, result.seed) == (5, 4)
    # What is not finite is left out: a journal has numbers only.
    assert result.diagnostics == {"zipf": 9.0, "loss/b": 1.0, "seconds/data": 1.0}
    assert (result.attempts, result.fitness.failed, result.reason) == (1, False, None) and result.seconds > 0


@pytest.mark.parametrize(
    "kind, reason", [(0.1, "worker lost (exit status 9)"), (0.2, "MemoryError: no room for 3 GiB")]
)
def test_a_lost_trial_is_tried_again_and_the_others_do_not_notice(crew, kind, reason):
    found = results(crew, PLAIN, (kind, 1), PLAIN, (kind, 2), PLAIN)
    assert [found[number].value for number in (0, 2, 4)] == [number / 7 + 5 for number in (0, 2, 4)]
    # Tried again it is what it would have been.
    assert found[1].value == 1 / 7 + 5 and found[1].attempts == 2
    assert (found[3].value, found[3].reason, found[3].fitness.failed, found[3].attempts) == (None, reason, True, 2)


def test_a_diverged_trial_sees_its_clips_in_another_order(crew):
    found = results(crew, (0.3, 1), (0.3, 2))
    assert found[0].value == 5 + Trial(0, PLAIN, 5, 0, attempt=1).order_seed != 5
    assert found[0].seed == 0 and found[0].attempts == 2 and not found[0].fitness.failed
    assert found[1].reason == "not finite: rgb/shuffle at step 3" and found[1].fitness.failed and found[1].attempts == 2


def test_a_full_disk_ends_it(crew):
    with pytest.raises(OSError, match="No space left"):
        results(crew, PLAIN, (0.4, 0))


def test_workers_that_die_at_their_start_end_it(tmp_path):
    (tmp_path / "stillborn").touch()
    with Crew(LocalEngine(2), Handler, (str(tmp_path),), retries=1) as crew:
        with pytest.raises(
            InputError, match=r"3 workers died while they started \(worker lost \(exit status 3\)\).*--workers"
        ):
            results(crew, PLAIN)
        with pytest.raises(InputError, match="workers died"):
            crew.call("pid")


def test_a_worker_that_cannot_be_built_is_built_again_some_times(tmp_path):
    (tmp_path / "short of memory once").touch()
    with Crew(LocalEngine(2), Handler, (str(tmp_path),), retries=0) as crew:
        assert results(crew, PLAIN)[0].value == 5
    (tmp_path / "short of memory").touch()
    with Crew(LocalEngine(2), Handler, (str(tmp_path),), retries=9) as crew:
        with pytest.raises(InputError, match=r"3 workers died .* \(MemoryError: no room for a tower\).*--workers"):
            results(crew, PLAIN)


def test_those_that_could_start_go_on_without_those_that_cannot(tmp_path, capsys):
    (tmp_path / "room").write_text("2")
    with Crew(LocalEngine(3), Handler, (str(tmp_path),), retries=0) as crew:
        found = results(crew, *[(0.6, 3)] * 3)
        assert [found[number].value for number in range(3)] == [number / 7 + 5 for number in range(3)]
        assert crew.size == 2
        assert len(results(crew, *[PLAIN] * 5)) == 5
    said = capsys.readouterr().out
    assert (
        "3 workers died while they started (worker lost (exit status 3)); is there memory for 3? Going on with 2"
        in said
    )
    assert (tmp_path / "deaths").stat().st_size == 3


def test_that_no_worker_is_ready_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("elo_tf.search.trials.scheduler._PATIENCE_SECONDS", 0.01)
    with Crew(LocalEngine(1), Handler, (str(tmp_path),), retries=0) as crew:
        results(crew, PLAIN)
    assert "No worker is ready after 0.01 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    "kind, reason", [(0.1, r"worker lost \(exit status 9\)"), (0.2, "MemoryError: no room for 3 GiB")]
)
def test_a_call_is_tried_again_as_often_as_a_trial(tmp_path, kind, reason):
    with Crew(LocalEngine(1), Handler, (str(tmp_path),), retries=1) as crew:
        assert crew.call("fail", kind, 1) != os.getpid()
        (tmp_path / "99").unlink()
        with pytest.raises(InputError, match=f"2 workers failed at 'fail', .*: {reason}"):
            crew.call("fail", kind, 2)


def test_workers_that_were_lost_while_idle_cost_nothing(tmp_path):
    """As when a machine goes with all that it runs: what had no trial is not sent one."""
    with Crew(LocalEngine(2), Handler, (str(tmp_path),), retries=0) as crew:
        for ask in (lambda: results(crew, PLAIN)[0].attempts == 1, lambda: crew.call("pid") != os.getpid()):
            results(crew, *[PLAIN] * 4)
            for member in list(crew._members):
                member.worker.process.kill()
                member.worker.process.join()
            assert ask()


def test_a_machine_that_goes_with_a_busy_and_an_idle_worker_costs_one_attempt(tmp_path):
    with Crew(LocalEngine(2), Handler, (str(tmp_path),), retries=1) as crew:
        results(crew, *[PLAIN] * 4)
        idle = crew._members[1]  # The first one is dealt the only trial.
        (tmp_path / "0").unlink()
        idle.worker.process.kill()
        idle.worker.process.join()
        result = results(crew, (0.1, 1))[0]
        assert result.value is not None and result.attempts == 2


def test_seconds_are_of_all_attempts(crew):
    result = results(crew, (0.2, 1))[0]
    assert result.attempts == 2 and result.seconds > DYING  # The second attempt alone takes a hundredth of a second.


def test_where_an_error_arose_is_shown_once(crew, capfd):
    results(crew, (0.2, 9), (0.2, 9), PLAIN)
    errors = capfd.readouterr().err
    assert errors.count("Traceback") == errors.count("MemoryError: no room for 3 GiB") == 1
    assert 'raise MemoryError("no room for 3 GiB")' in errors


def test_workers_stay_between_calls(crew):
    pid = crew.call("pid")
    results(crew, *[PLAIN] * 4)
    assert pid in {crew.call("pid") for _ in range(3)}


def test_a_trial_that_hangs_fails_by_that_reason_and_the_others_go_on(tmp_path):
    with Crew(LocalEngine(1), Handler, (str(tmp_path),), retries=1, trial_minutes=0.05) as crew:
        found = results(crew, PLAIN, (0.7, 9), (0.7, 1), PLAIN)
    hung = found[1]
    assert (hung.value, hung.fitness.failed, hung.attempts) == (None, True, 2) and 6 <= hung.seconds < 30
    assert hung.reason == "worker lost (no answer for 0.05 minutes, --trial_minutes)"
    assert found[2].attempts == 2  # Its new worker did not hang.
    assert [found[number].value for number in (0, 2, 3)] == [number / 7 + 5 for number in (0, 2, 3)]


def test_a_call_that_hangs_ends(tmp_path):
    with Crew(LocalEngine(1), Handler, (str(tmp_path),), retries=0, trial_minutes=1 / 60) as crew:
        with pytest.raises(InputError, match="1 workers failed at 'fail', .*no answer for .* minutes, --trial_minutes"):
            crew.call("fail", 0.7, 9)
