"""The metrics of the field by period and group, cohorts, and how far goals have come."""
