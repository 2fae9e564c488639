"""Saves and loads models: config.json, safetensors and a model card, in a folder or on the Hub."""
