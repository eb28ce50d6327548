"""Jobs that are queued and run: who claims what, on one host over a file, on several over PostgreSQL.

Rule: nobody outside imports it, and nothing of it is imported by who only watches jobs.
"""
