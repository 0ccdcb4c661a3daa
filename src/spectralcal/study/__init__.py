"""What a study is: its configuration, methods and grid of cells, paths, recipes and costs."""
