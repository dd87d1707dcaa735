"""A teacher's outputs over a data set, kept on disk: written once, read by every training after that."""
