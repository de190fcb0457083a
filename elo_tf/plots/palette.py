"""The colours of all figures, those of Okabe and Ito: safe for colour blindness."""

BLUE, ORANGE, GREY, INK = "#0072b2", "#d55e00", "#8a8a8a", "#404040"
GREEN, PINK, SKY = "#009e73", "#cc79a7", "#56b4e9"

# Of lines that stand beside each other, in this order.
SERIES = (BLUE, ORANGE, GREEN, PINK, SKY, INK)

# Name of the map from a number to a colour.
MAP = "viridis"
