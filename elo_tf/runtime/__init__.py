"""What every command needs: flags, files, progress, workers."""
