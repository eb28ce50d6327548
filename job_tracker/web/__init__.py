"""The pages, the API and the live stream: a process of its own, which the tracker knows nothing of."""
