"""Missed calls: who called and talked with nobody, until somebody talks with them."""
