"""Markdown tables of figures, printed as they come."""


def table(heads: list[str], rows: list[list[object]]) -> None:
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for row in rows:
        cells = (f"{value:.3g}" if isinstance(value, float) and value < 100 else
                 f"{value:.0f}" if isinstance(value, float) else str(value) for value in row)  # fmt: skip
        print("| " + " | ".join(cells) + " |", flush=True)
    print()
