"""`python -m gateway` and the `gateway` command."""

from gateway.cli.main import app


def main() -> None:
    app(prog_name="gateway")


if __name__ == "__main__":
    main()
