"""Images, videos and sound of a request: from URLs and base64 to bytes, guarded."""
