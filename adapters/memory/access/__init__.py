"""API keys, tokens and stream tickets."""
