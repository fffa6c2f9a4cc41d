"""MCP servers of the YAML: their supervision, their tools, and the loop model -> tool -> model."""
