"""Measurements of Springtide and of its peers, side by side on one machine."""
