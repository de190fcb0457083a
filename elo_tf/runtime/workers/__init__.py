"""Objects in processes of their own, which answer what they are sent."""
