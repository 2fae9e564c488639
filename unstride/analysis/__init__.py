"""What an operator does: where a pixel looks, its Jacobian, its cost."""
