"""The workflows of the demo."""
