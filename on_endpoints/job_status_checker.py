"""Writes a line into a log for each status of each job of a WPS-T server; --help says how, docs/remote-jobs.md why."""

from job_tracker.endpoints.commands import status_checker

raise SystemExit(status_checker())
