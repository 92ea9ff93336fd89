"""The pages for people: what they say (words, charts), where it comes from (the API's own answers), and how it
looks (templates, static). Nothing here decides anything about stock or orders.
"""
