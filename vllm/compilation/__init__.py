"""Compiling models with torch.compile, and the cache that keeps what was compiled."""
