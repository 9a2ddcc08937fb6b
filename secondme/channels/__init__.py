"""Where contacts write. One folder per channel; channels know core's leaves and ports only, so none can walk around the gate."""
