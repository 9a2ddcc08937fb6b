"""Tools: what skills may ask for, who may cause it, and what is stored of them."""
