"""Models of private rows: the sums that they are made of, as SQL for the ordinary path, and what is fitted from those.

Nothing here sees a row or adds noise: a model is post-processing of an answer that anybody could have asked for.
"""
