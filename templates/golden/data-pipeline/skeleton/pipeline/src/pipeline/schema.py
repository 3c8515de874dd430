"""What the input looks like and what the model predicts. Start here."""

FEATURES = ("feature_a", "feature_b")
TARGET = "target"

# The range in which a value is believable, per column.
LIMITS = {
    "feature_a": (-1e6, 1e6),
    "feature_b": (-1e6, 1e6),
    "target": (-1e9, 1e9),
}

COLUMNS = (*FEATURES, TARGET)
