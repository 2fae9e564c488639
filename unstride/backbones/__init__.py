"""Image features from timm models: on one grid (`Backbone`) or at several strides (`Pyramid`)."""
