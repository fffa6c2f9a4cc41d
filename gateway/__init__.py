"""HTTP in, HTTP out: dialects, routing, supervision. Never imports MLX."""
