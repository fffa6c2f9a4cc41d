"""MLXPlatform: the layer between vLLM-style requests and MLX.

`device` says what the machine is, `memory` keeps the worker within what it was given, `sampling` and `engine_args`
translate vLLM's parameters or refuse them by name, `source` finds the model's folder.
"""
