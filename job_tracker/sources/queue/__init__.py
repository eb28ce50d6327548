"""The serve protocol, over any transport: take, confirm, and what a watermark proves."""

from job_tracker.moments import MICROSECONDS

ADD_MAY_WAIT = 5 * MICROSECONDS
"""So long an add may wait for its lock, the queue tool promises: a message may come so much after its timestamp."""
