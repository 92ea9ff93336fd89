"""Who may ask a view, for what and how often: keys, tokens, scopes and limits.

Nothing here knows what is asked; the view says which scope each of its routes needs.
"""
