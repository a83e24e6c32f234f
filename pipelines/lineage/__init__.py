"""Where a number comes from, and what made two versions differ."""
