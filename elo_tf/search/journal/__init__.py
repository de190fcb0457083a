"""The record of a search, which is its only state."""
