"""Pure translation between what clients speak and what the wire means: values in, values out."""
