"""The worker processes: spawn, lifecycle, watchdog, the fleet."""
