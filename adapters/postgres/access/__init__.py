"""API keys and stream tickets."""
