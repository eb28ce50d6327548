"""Shippers: events sent elsewhere, each from a cursor of its own."""
