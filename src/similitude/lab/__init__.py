"""A small training codebase: ladders of tiny models as rows of Runs."""
