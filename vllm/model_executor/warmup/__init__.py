"""What is made ready before the first request."""
