"""The running tracker: hear, step, save, confirm, tell."""
