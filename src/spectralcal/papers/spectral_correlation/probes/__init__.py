"""What the figures and claims of the paper need of trained networks beyond scores."""
