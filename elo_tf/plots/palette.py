"""The colours of all figures: even in lightness, and safe for colour blindness."""

BLUE, ORANGE, GREY, INK = "#0072b2", "#d55e00", "#8a8a8a", "#404040"

# Name of the map from a number to a colour.
MAP = "viridis"
