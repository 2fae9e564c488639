"""Does an upsampler help? One protocol for every upsampler: frozen features, fixed schedules."""
