"""What is installed, which data sets are in place, and how long a study takes here."""
