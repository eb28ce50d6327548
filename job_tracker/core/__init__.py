"""The core: how jobs are judged.  Pure: no clock, no files, no logging; time is always an argument."""
