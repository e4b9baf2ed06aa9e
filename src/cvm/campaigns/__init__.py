"""Campaigns: who is drawn for which arm, how large a holdout must be, and what a campaign earned."""
