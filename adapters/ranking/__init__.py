"""A second look at what search found: which passage is a question asked after?"""
