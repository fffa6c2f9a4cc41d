"""Every model family of the libraries against the product's loader and engine."""
