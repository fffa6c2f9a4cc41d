"""OpenAI's chat completions with vLLM's extra parameters."""
