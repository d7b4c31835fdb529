"""Predictions and exercises: what a lesson asks, and how it judges."""
