"""Questions of operators' commands to the warehouse, and the answers: one module per action, as in `operate/`.

Commands read the answers with the same classes, so a missing or unknown field is an error.
"""
