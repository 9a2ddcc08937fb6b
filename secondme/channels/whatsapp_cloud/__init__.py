"""WhatsApp's official API for businesses: Meta calls us when somebody writes, and we call Meta to answer."""
