"""What every long-running program of ours shares: log, ready and watchdog, signals, pid file."""
