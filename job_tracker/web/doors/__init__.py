"""Who comes in: users, roles and tokens, how somebody shows who he is, and how often he may try."""
