"""The studio: a local page to hear and compare denoisers and to play with generators, and a server for programs.

The server process is light: it never loads torch. Models run in worker processes (``worker``), which ``pool`` starts and
talks to; ``engine`` is the one file that imports the rest of the package.
"""
