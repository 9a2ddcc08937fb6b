"""What the local channel is. Pure data: importing it costs nothing."""

ID = "local"
TITLE = "Local terminal"
