"""A project's own settings: configuration file, policy, baseline, ignore comments."""
