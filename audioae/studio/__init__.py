"""The studio: a local page to hear and compare denoisers and to play with generators, and a server for programs.

The server process never loads torch. Worker processes (``worker``) do the work, started by ``processes``: one reads and
draws recordings (``views``), one cleans or restores them (``cleaning``), one generates sounds and cleans streams
(``models``, ``creating``, ``streams``), and one adapts a model (``fitting``). Routes are in ``pages``, ``programs``,
``fits``, ``creations`` and ``trainings``.
"""
