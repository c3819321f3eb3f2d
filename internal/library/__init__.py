"""What is done with images that are there: look-up, further renditions, delete."""
