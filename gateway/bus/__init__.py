"""The gateway's side of the wire: the ROUTER socket and the mailbox of each request."""
