import click


@click.command()
def denoise() -> None:
    """Later."""
