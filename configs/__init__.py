"""What the wheel carries beside the code: the demo and its configuration."""
