"""Voronka: call routing on Asterisk."""
