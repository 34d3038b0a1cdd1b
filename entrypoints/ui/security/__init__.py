"""Sessions, and checks of the forms that change something."""
