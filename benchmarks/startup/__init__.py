"""How long processes take to start, and what memory they take."""
