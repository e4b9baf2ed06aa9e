"""Whether a model in use can still be trusted: purchase rate, earlier scores, features, freshness."""
