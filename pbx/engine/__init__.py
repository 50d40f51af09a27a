"""Joins a caller's walk, the distribution and a switch."""
