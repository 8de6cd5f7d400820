"""MACHINE: the computer a decoy pretends to be: its name and kernel, its files, and a shell that runs nothing."""
