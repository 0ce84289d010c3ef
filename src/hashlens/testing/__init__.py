"""Contract tests that every implementation of an interface must pass, third-party ones too."""
