"""Video files -> frames and sound, by ffmpeg."""
