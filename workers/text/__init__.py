"""The LLM engine: text in, text out."""
