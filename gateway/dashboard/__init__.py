"""The page at `/`: static files that `api.page` serves, and nothing to build."""
