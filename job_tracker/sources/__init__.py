"""Where messages come from, over whichever transport."""
