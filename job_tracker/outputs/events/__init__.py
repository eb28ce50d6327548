"""The events file, kept in step with the ledger."""
