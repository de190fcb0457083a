"""The candidates of a search: distributed to workers, trained, scored."""
