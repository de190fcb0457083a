"""What a run takes, before machines are rented."""
