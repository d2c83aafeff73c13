"""python -m pipeline is the same as the command `reviews`."""

from pipeline.cli import main

if __name__ == "__main__":
    main(prog_name="reviews")
