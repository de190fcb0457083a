"""The units of the terms: measured once a search, then read from its journal."""

from elo_tf.search.journal import notes
from elo_tf.search.journal.journal import Journal
from elo_tf.search.trials.scheduler import Crew


def agree(journal: Journal, crew: Crew) -> None:
    """Has a worker measure them where the search is in units of gradients and its journal lacks them."""
    if journal.header["settings"]["loss_units"] == "gradient" and notes.UNITS not in journal.notes:
        journal.note(notes.UNITS, crew.call("measure_units"))
