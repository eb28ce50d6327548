"""The embedded store: Procrastinate's App, Worker and JobManager on one SQLite file of one host, without a server."""
