"""Changes of images, and of labels with them: parameters are sampled apart from being applied."""
