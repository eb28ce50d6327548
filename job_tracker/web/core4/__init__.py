"""What clients of core4 call, answered from monitored jobs: its paths, its shapes, its names for what happens."""
