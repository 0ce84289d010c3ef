"""The experiment of the paper: train networks, and measure their codes."""
