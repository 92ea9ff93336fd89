"""Springtide: available-to-promise and order status, computed exactly once from event streams."""

__version__ = "0.1.0"
