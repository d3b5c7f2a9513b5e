"""``python -m audioae``; ``torchrun -m audioae`` for several processes."""

from audioae.cli.app import main

if __name__ == "__main__":
    main(prog_name="audioae")
