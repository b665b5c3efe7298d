"""Selectors that `vsr train-selector` made: their files, their features and what they predict, in numpy."""
