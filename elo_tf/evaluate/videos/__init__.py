"""Which labelled videos are for training and which for testing, and the clips of them."""
