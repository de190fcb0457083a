"""Records, and the clips that are cut from them."""
