"""The rendered world: videos whose classes are known."""
