"""Danger: sentences and talks that finding and answering it are measured on.

They were written for measuring alone, by other hands than the rules and the classifier, and are not to be trained or
tuned on.
"""
