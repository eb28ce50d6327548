"""`python -m job_tracker` is the command `job_tracker`."""

from job_tracker.cli.app import main

main()
