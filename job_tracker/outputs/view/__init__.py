"""The view, as an output: kept in step with the board."""
