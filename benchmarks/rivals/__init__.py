"""What a user would pick instead, each opened as its own documentation says, and as durable as keyledger."""
