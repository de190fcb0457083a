"""Records, and the clips cut from them."""
