"""Objects in other processes that answer messages."""
