"""What several lessons share: guests, machines, and questions about their runs. No lesson imports another."""
