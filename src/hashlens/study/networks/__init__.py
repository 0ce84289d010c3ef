"""The experiment of the paper: networks are trained, and their codes measured."""
