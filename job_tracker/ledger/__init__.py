"""The store: the ledger is the truth, the view is what the command line shows of it."""
