"""Algorithms that call several models for one request, and bring back one answer."""
