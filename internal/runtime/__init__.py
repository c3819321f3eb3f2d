"""What every process of ours is made of, whatever it does."""
