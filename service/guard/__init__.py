"""What no experiment can switch off."""
