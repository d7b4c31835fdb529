"""hfedu course grade: a folder of handed-in notebooks, judged anew."""
