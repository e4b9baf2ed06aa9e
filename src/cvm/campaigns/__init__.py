"""Campaigns: who is held out, and what contacting the others earned."""
