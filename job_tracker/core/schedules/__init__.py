"""When a start is expected, and when silence is quiet; the clocks people live by.  Nothing here knows a job."""
