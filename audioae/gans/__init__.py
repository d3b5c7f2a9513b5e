"""Generators of sound with their critics, one kind in each file."""
