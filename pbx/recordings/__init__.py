"""Recordings of talks: their names, their files, how long they are kept."""
