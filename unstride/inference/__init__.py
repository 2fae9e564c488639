"""Jobs over many images: upsample and predict; and explain, for one."""
