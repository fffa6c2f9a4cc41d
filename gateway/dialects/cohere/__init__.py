"""Cohere's rerank, versions 1 and 2, and Jina's, which differ in a few names only."""
