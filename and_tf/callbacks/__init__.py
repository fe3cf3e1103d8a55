"""What a user watches while a run learns."""
