"""What is known about *this* work: request id, user, session, tier, tenant; in by headers and `bind`, out on every signal."""
