"""The plugin's parts."""
