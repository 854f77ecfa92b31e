"""What editing and asking cost against the straightforward way, measured as ratios in one process."""
