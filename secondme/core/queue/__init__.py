"""Who works on a contact, and when is the work done?"""
