"""The service: start, stop, restart, reload and status where no systemd does it."""
