"""The studio: a local page to hear and compare denoisers and to play with generators, and a server for programs.

The server process never loads torch. Worker processes (``worker``) do the work, and ``pool`` starts them and talks to them:
one reads and draws recordings (``views``), one cleans them (``cleaning``), one generates sounds and cleans streams
(``models``, ``creating``, ``streams``), and one per fine-tuning (``fitting``).
"""
