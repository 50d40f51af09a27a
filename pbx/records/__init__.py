"""Asterisk's own records of calls, from which the log of an absence is completed."""
