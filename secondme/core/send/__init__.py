"""When does a reply leave, in how many pieces, and does it leave at all?"""
