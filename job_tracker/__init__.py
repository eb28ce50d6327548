"""job_tracker: watches batch jobs through message queues and tells Checkmk what ran and what did not."""

__version__ = "0.1.0"
