"""The fitness of a search in words, for reports; lower is better."""

from typing import Any, Mapping, NamedTuple


class Quantity(NamedTuple):
    """A fitness as readers are told of it.

    Attributes:
      title: Of its values, in tables and at axes.
      meaning: What a value says of a candidate, as the end of the sentence "its fitness says ...".
      parts: What a value is the mean over.
    """

    title: str
    meaning: str
    parts: str = "restarts of k-means"


# By `--fitness`.
QUANTITIES = {
    "predictability": Quantity(
        "1 - gain in R²",
        "how much the features that it taught the RGB tower lack of foretelling flow or sound in full, beyond what "
        "those of the untrained tower do",
        "folds",
    ),
    "zipf": Quantity(
        "zipf score, nats",
        "how far the clusters of what it taught the RGB tower are from Zipf's law, at the scale that the features have",
    ),
    "zipf_scale_free": Quantity(
        "zipf scale free score, nats",
        "how far the clusters of what it taught the RGB tower are from Zipf's law, whatever the scale of the features",
    ),
    "agreement": Quantity(
        "1 - agreement (AMI)",
        "how much the clusters of what it taught the RGB tower lack of full agreement with those of {modality}",
    ),
    "weak": Quantity(
        "1 - accuracy",
        "how much of labelled clips is told wrongly by the clusters of what it taught the RGB tower",
    ),
}

_UNNAMED = Quantity("fitness", "how it compares with others")


def quantity_of(header: Mapping[str, Any]) -> Quantity:
    """That of the search of a journal's header."""
    found = QUANTITIES.get(header.get("settings", {}).get("fitness"), _UNNAMED)
    return found._replace(meaning=found.meaning.format(modality=agreed_with(header)))


def agreed_with(header: Mapping[str, Any]) -> str:
    """The modality that the agreement of a search is with, as one reads it."""
    return header.get("settings", {}).get("agree_with", "another modality")
