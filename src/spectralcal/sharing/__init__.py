"""Results that travel: export and import, verification and accounts of what a result was made from."""
