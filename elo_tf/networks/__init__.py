"""Layers, towers and decoders; the RGB tower that is kept."""
