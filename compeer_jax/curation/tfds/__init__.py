"""TensorFlow Datasets of our data: random access through ArrayRecord, for Grain and TFDS users, without TensorFlow."""
