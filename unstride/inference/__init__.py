"""Jobs over many images: upsample, predict, explain."""
