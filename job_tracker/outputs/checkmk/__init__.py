"""Checkmk: service lines, state files and the services file."""
