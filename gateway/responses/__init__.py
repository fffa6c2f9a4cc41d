"""What is kept of responses, and those that go on without their client."""
