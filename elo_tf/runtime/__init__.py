"""Code that every command needs: flags, files, progress, workers."""
