"""Speech to text: Whisper, with the windows of all files in one batch."""
