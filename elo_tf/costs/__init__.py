"""Estimates of what a run takes, before machines are rented."""
