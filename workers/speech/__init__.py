"""Text to speech: Kokoro, sentence by sentence."""
