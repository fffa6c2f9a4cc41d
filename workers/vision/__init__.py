"""The vision engine: text, images and video in, text out, through mlx-vlm."""
