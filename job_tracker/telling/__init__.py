"""Telling: what people are told, in sentences and words, whichever way it reaches them."""
