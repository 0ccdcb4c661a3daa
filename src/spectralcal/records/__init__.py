"""What a result was made from, and whether its files are as they were recorded."""
