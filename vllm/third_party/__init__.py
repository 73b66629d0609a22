"""Packages that vLLM carries under their own names."""
