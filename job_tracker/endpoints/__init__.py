"""Endpoints: the two emitters that run beside a WPS-T server, as their document says, with nothing configured."""
