"""What operators' commands ask of the warehouse and get back: one module per action, as in `operate/`.

Commands read answers with the same classes, so a field that one side lacks is an error there.
"""
