"""Parts of self-supervised pretraining: heads, propagation, and the momentum encoder."""
