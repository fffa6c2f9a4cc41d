"""What a model's chat template takes, learnt once, and conversations brought into that shape."""
