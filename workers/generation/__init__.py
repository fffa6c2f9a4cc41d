"""Token generation for every model that has a KV cache: batch, caches, sampler, output. Engines build on it."""
