"""OGC: jobs of servers that speak OGC API Processes or WPS-T, heard like any other."""
