"""What an exploit would have done, shown without doing it: shells, PHP, templates, SQL, files.

Each takes the attacker's text and gives what the product would have printed. Nothing is run, opened or reached; every
interpreter here is our own and counts its steps.
"""
