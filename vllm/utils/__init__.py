"""Faces of optional libraries."""
