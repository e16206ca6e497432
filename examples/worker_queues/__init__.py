"""Workers on named queues with rates of their own."""
