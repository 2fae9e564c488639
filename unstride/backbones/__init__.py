"""Image features of timm and torchvision, on one grid (`Backbone`) or several (`Pyramid`)."""
