"""The plan as a picture, and what callers did in it."""
