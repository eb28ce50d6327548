"""The command line: the commands, and the screens that they print."""
