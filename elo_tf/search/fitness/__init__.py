"""Scores of a trained RGB tower that need no labels (Sec. 3.2.2)."""
