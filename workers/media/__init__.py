"""Media files: what a request carries is decoded safely, what a model makes is encoded. No temporary files."""
