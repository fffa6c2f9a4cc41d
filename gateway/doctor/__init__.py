"""What `mlx-gateway doctor` looks at: each file asks the system about one matter and judges the answers."""
