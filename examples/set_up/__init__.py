"""A server and a worker for one project, set up and run by one program."""
