"""Sources on this host: the serve protocol over a child process."""
