"""The press office of a port that does not exist."""
