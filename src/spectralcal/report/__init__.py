"""What people read: tables, figures, verdicts and notebooks, made from the collected scores."""
