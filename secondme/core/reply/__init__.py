"""What would the owner say?"""
