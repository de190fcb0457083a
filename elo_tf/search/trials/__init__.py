"""The candidates of a search: dealt out, trained, scored."""
