"""Code that all pictures share."""
