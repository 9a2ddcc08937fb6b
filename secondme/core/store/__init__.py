"""The only room that speaks Redis: one server, named keys, atomic scripts, one repository per noun."""
