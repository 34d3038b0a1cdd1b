"""Routes about the service itself: health, metrics, documentation."""
