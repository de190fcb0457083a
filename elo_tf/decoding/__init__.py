"""Video files -> frames and sound, with ffmpeg."""
