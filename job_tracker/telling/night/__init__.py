"""The night: what jobs did over a window, what was expected of them, and where nobody could look."""
