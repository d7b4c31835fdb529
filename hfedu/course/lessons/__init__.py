"""The lessons: each module has the predictions, the exercises and the terms of the notebook with its number."""
