"""From features to the product's main output, one row per customer."""
