"""Other programs that make the same thumbnails, a file each: sharp (through node) and Pillow; and ours, the sandbox alone."""
