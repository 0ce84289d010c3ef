"""Studies: repeated experiments, such as training and measuring many networks, defined by a spec; resumable."""
