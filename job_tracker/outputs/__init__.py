"""To whom it is told: a folder for each, and none knows of another."""
