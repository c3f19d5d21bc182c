"""Real servers and workers end in every way there is; what they did is compared with what arrived."""
