"""Text to phonemes in Kokoro's alphabet, a module for each source of them."""
