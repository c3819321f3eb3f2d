"""The settings: sections, loader, presets."""
