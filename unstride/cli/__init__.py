"""The command line: `unstride`."""
