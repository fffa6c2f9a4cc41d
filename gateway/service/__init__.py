"""mlx-gateway as a service of the system: launchd on macOS, a systemd user unit on Linux."""
