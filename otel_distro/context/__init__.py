"""What is known about *this* work: request id, user, session, tier, tenant; on every signal."""
