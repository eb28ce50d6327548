"""Replay: the core over recorded messages, with a clock of its own."""
