"""What an encoder may be trained by: AND, and what AND is held against."""
