"""Hints: what a job's history says about its promise; read, never acted on."""
