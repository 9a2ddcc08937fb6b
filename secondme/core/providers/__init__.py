"""Vendors behind ports, one file each, imported when first used."""
