"""From a model's name to a running request: registry, admission, fairness, dispatch."""
