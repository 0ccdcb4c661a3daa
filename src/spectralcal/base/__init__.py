"""What every part uses: errors, console, files, digests, locks, random seeds and the registry of entries."""
