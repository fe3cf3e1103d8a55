"""One page that says what a run was, how it ended and what it looks like."""
