"""The command `mlx-gateway`: one file a command, each with `add_arguments` and `run`, imported only when called."""
