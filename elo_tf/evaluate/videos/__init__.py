"""The labelled videos for training and testing, and their clips."""
