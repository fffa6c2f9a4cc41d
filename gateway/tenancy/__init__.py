"""Who asks: keys, limits, and what each has used."""
