"""Weights of the terms of Eq. 1 during training; one file a method, which its existence registers."""
