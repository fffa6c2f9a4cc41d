"""Embedding and rerank workers: encoders of mlx-embeddings behind one batching loop."""
