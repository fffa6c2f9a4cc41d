"""The LLM engine: continuous batching over mlx-lm's models, caches and tokenizers."""
